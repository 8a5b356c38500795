"""Logging in to registries: credentials, their sources, the token handshake, TLS."""
