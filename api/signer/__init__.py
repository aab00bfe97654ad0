"""The local signer: a loopback service on a clerk's machine that keeps the key, says what is asked, and asks."""
