"""The check of a proof in the browser."""
