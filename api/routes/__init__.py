"""The routes: each parses a request, makes one call into the ledger, and answers."""
