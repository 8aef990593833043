"""Images and files of a request, made into what the target takes: fetched where it cannot, text where it cannot read.

Start at `preparing`. What a target takes as it is, is left as it is.
"""
