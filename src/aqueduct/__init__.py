"""Aqueduct: a self-hosted AI gateway."""
