"""Deadlines beside the log: the index of clocks, warnings, working days, and how a deadline was counted in words."""
