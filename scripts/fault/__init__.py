"""Fault campaigns: run before a release, by hand.

Short versions of them run with the tests (tests/campaigns/faults).
"""
