"""Rules that hold changes back, and that find what must not have changed."""
