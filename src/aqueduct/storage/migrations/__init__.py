"""The migrations, one file a step, never changed once released."""
