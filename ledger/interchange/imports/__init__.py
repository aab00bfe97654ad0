"""Exchange with agencies' own systems: cases come in, once, with their origin.

``source_file`` reads files, ``mapping`` says what their columns mean, ``plan`` makes of a row the events of its case,
``comparison`` finds what the ledger lacks of them, ``importing`` brings that in. ``ledger.recording.signing`` signs;
the ledger is whatever answers to ``importing.Ledger``.
"""
