"""What the API answers with, and how its document describes that."""
