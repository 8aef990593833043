"""REST of organisations."""
