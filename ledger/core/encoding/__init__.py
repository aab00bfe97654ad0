"""Bytes and texts: canonical JSON, digests, instants, TOML."""
