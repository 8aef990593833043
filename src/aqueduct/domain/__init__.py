"""Values and arithmetic: what the gateway talks about, with no I/O."""
