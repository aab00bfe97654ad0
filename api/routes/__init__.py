"""The routes: each parses, makes one call into the ledger, and returns."""
