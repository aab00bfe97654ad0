"""Exchange with the systems of agencies: imports, exports, papers and webhooks."""
