"""The HTTP service of a witness: two routes that sign, and its status."""
