"""Agencies and keys, and the history of the registry."""
