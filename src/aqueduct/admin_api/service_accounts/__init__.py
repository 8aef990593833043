"""REST of service accounts."""
