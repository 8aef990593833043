"""REST of teams."""
