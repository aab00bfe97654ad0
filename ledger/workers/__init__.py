"""Processes with limits, in which runs whatever others wrote."""
