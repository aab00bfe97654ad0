"""Building of proof bundles."""
