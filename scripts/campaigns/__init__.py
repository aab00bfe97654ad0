"""Campaigns by hand: processes killed while they write, rows edited, faults put into the core."""
