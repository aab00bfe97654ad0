"""The verifier: numbered steps over a bundle, a case, a chain, and one verdict."""
