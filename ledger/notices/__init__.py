"""Notices: what is new for an officer, derived from the log and from warnings, and what he wants to be told of it.

They follow from what is recorded and could be derived again: no decision rests on one, and nobody signs one.
"""
