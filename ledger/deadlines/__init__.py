"""Deadlines beside the log: warnings, the index of clocks, their arithmetic in words, and working days."""
