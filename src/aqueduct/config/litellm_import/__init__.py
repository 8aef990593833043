"""LiteLLM's proxy and router configs, turned into `aqueduct.yaml`; `conversion.py` is the way in. No I/O.

What cannot be carried over, or comes to mean something else, is a note: a comment at its place (see `../notes.py`).
"""
