"""Report: what recurs, where, at which handover and for how long; every number traces back to events.

tables.toml   the questions, each a query over the views
questions     a report: the questions of a period, a jurisdiction and a business line, answered as tables
presentation  a report for people: cells, charts, HTML and PDF
"""
