"""Outbound HTTP/1.1: the way to every model server, fast and strict.

`transport.Transport` is the seam (`send`, `close`); `options` says what it may be given. Inside, bytes become an answer
in `feed`, a socket carries one exchange at a time in `connection`, connections are kept in `pool`, and made, through a
proxy where one is set, in `connecting`. Nothing here knows what a model, a token or a provider is.
"""
