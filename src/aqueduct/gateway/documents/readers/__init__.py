"""One format a file: `read(data, text)` adds to a `TextBuilder` what a person would read, in their order.

Each imports its own library, so that a worker loads only what it is asked for. Imports nothing here.
"""
