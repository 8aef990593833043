"""The response cache: equal requests of one organisation get the answer that one of them was given.

What an answer is kept under (`key`), what a client may ask for (`directives`), how it is kept (`answer`), who waits for
whom (`flights`), and the way to an answer that goes by all of it (`router`). Where it is kept is `aqueduct/cache/`.
"""
