"""Who may sign, and whether a signature is his."""
