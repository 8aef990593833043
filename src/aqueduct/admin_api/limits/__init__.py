"""REST of limits."""
