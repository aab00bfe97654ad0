"""Processes with limits and a sandbox, for work on what others wrote and whose cost others decide."""
