"""What gateways with one Valkey server tell each other of the targets they have in common, beside the path of requests.

Health, turns to try what is half open, and what is used of a provider's own limits. Who has no answer goes on alone.
"""
