"""Cohere's own protocol: the chat of its API v2."""
