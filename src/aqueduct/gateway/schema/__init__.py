"""Checking answers against JSON schemas that strangers wrote.

A schema is untrusted code: two kilobytes of it can hold a validator, and the GIL with it, for minutes. What is provably
cheap is checked in the event loop, everything else in worker processes that can be killed. Start at `checker`.

This file imports nothing: the worker process runs through it on its way up and has to be quick.
"""
