"""The chain worker: it mirrors the registry, anchors tree heads, proves and dates them."""
