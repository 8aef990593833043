"""REST of who is in which team."""
