"""REST of users."""
