"""Child processes that serve on loopback and are supervised: the embedded model, and LiteLLM's SDK.

The translation of requests is the adapters' (`providers/local.py`, `providers/litellm.py`); nothing here knows what a
chat is.
"""
