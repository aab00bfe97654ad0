"""Paper that people still need: documents printed from events, and certificates of proof bundles, as PDF/A-3b.

``forms`` is the table of what prints as what; ``document`` makes a sheet of an event, with the lists of ``lists``.
``certified`` verifies a bundle, ``certificate`` makes a sheet of that. ``typeset`` sets a sheet. The wording is that of
``ledger.i18n``, vocabulary ``paper``, and the timeline's. Paper proves nothing by itself: it says where the proof
is.
"""
