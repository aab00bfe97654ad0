"""Measurements. Each prints a table (figure, ours, reference, ratio, target) and writes it as JSON."""
