"""The way of a submission into the log: sign, validate, sequence, publish."""
