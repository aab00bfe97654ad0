"""What leaves the ledger for other programs: CASE/UCO, OCEL, timelines, CSV."""
