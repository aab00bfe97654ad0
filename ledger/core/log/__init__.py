"""The log as C2SP and RFC 6962 have it: tree, tiles, notes, checkpoints, proofs, policies."""
