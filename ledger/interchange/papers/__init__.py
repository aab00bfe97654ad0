"""Paper that people still need: papers printed from events, and certificates of proof bundles, as PDF/A-3b.

The rows of a procedure say what prints as what. ``printed_event`` finds the rows of an event, ``events_to_print`` reads
it, ``document`` makes a sheet of it, with the lists of ``lists``, in the words of ``paper_writer``. ``certified``
verifies a bundle, ``certificate`` makes a sheet of that. ``typeset`` sets a sheet. Paper proves nothing by itself: it
says where the proof is.
"""
