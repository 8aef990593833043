"""LiteLLM's SDK in a child process of its own: its import takes seconds and 200 MB, and the gateway never does it.

`child.py` is the process, `server.py` what it serves, `answers.py` and `errors.py` what it makes of the SDK's values;
`transport.py` is the way to it. The adapter is `providers/litellm.py`.
"""
