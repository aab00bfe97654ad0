"""The encodings of the record: canonical JSON, digests, instants, TOML."""
