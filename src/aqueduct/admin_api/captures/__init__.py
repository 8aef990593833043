"""REST of captures."""
