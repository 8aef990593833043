"""REST of usage."""
