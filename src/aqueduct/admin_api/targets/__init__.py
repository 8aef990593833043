"""REST of how the targets are."""
