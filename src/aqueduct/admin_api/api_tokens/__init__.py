"""REST of API tokens."""
