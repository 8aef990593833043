"""Where answers are kept: in this process, or at a Valkey server; one contract, one suite of tests.

What an answer is kept under, and whether it may be given again, is for `gateway/cache/` to say.
"""
