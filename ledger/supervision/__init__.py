"""Supervision: models that prosecutors write are run over the record, and what they find becomes leads.

views.toml  what models can ask: stable columns over the log at a tree size
"""
