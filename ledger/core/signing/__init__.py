"""Signatures over envelopes, and the registry's grants that say which key may sign what."""
