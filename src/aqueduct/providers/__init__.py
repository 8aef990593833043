"""Adapters: one wire format of one kind of provider a file. Pure: no network, clock, environment or logging."""
