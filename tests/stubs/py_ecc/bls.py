"""Curves of other chains, which no test uses."""

G2ProofOfPossession = None
