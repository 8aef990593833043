"""REST of which models may be used."""
