"""The web console: pages over the same ledger calls as the API. Every write is an event that its officer signs."""
