"""Public formats: what clients send and are sent. Values only, no I/O."""
