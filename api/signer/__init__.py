"""The local signer: a loopback service on a clerk's machine that keeps the key, and asks before each signature."""
