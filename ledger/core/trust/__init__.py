"""What a verifier takes on trust: the trust file, its renewals, and what witnesses say of a chain's blocks."""
