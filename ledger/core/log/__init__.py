"""The transparency log of C2SP and RFC 6962: tree, tiles, notes, checkpoints, proofs, policies, replay."""
