"""Gathering of co-signatures: published checkpoints go to the witnesses, and their signatures come back.

Each witness is asked separately: a slow or absent one delays no other, and submissions wait for none. A signature is
verified against the witness's known key before it is stored. The contract's own witnesses sign again when an anchor
is due: size, root and registry hash, as the contract verifies them. For readers of proofs the witnesses also vouch
for the block whose state proves the newest anchor.
"""
