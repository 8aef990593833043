"""From a JSON schema to a grammar that llama.cpp's sampler keeps to, and that always comes to an end.

`branches` takes the schema's logic apart, `builder` turns what is left into bounded `shape`s, `lark` writes those down,
`compiler` chooses how tight the bounds have to be. Every shape holds only values of the schema, as far as that can be
said; where it cannot, the grammar is looser and says so (`is_exact`). Pure: no network, clock or logging.
"""
