"""The verifier: numbered steps over a bundle or a case, with one verdict."""
