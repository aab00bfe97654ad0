"""Sessions of officers, and the record of what they read."""
