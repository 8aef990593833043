"""The embedded model: llama.cpp's own server in a supervised child process, and the file it serves.

The translation of requests is the adapter's (`providers/local.py`); nothing here knows what a chat is.
"""
