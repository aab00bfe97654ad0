"""The HTTP service of a witness: the routes that sign, the last signed checkpoint, and the status."""
