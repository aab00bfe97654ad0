"""Runs of models over the record: what is active, the session that runs it, and what it finds."""
