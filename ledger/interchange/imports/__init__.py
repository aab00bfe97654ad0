"""Imports from agencies' own systems: cases come in, once, with their origin.

``source_file`` opens files, ``tables`` and ``workbooks`` read them; ``mapping`` says what their columns mean, and
``values`` reads their cells. ``plan`` makes of a row the events of its case, ``case_events`` finds and signs those that
the ledger lacks, ``importing`` sends them. The ledger is whatever answers to ``importing.ImportLedger``.
"""
