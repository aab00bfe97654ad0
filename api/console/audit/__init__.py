"""Audits, started and read in the browser."""
