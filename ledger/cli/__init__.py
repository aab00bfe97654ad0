"""The command line ``tally``.

``main`` runs it and gives the exit code; ``commands`` has a module for each group of commands, ``command`` and
``params`` what their options are made of. ``session`` is one run, ``output`` what it prints, ``errors`` what stops it.
"""
