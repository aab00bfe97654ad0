"""Snapshot: the log at a tree size as the tables that models ask; never the truth, always made again from the log.

case_record      a case step by step, and what each event names
view_rows        the rows of each view, a pure function of the case's events
snapshot_tables  how they are kept, and shown
snapshot         the file: brought up to the log by the cases that have changed
sources          the log that views are made of, or events without it
"""
