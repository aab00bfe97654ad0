"""Processes with limits, for work whose cost others decide."""
