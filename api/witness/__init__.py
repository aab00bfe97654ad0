"""The HTTP service of a witness: the routes that sign, what was signed last, and its status."""
