"""REST of terms of service."""
