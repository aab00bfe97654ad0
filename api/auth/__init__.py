"""Who asks: sessions of officers, and the record of what they read."""
