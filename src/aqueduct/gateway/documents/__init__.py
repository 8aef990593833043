"""The text of documents, for models that cannot read them: judged, opened and read in child processes.

A document is as untrusted as code. `extraction` is the gateway's side; `worker` and all that it imports run in a
process with limits on time and memory. This file imports nothing, because the worker runs through it.
"""
