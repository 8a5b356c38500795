"""Mutation testing of what decides: `make mutation` (docs/testing.md)."""
