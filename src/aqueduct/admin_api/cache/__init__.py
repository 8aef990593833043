"""REST of the response cache."""
