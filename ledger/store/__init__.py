"""The stores, in SQLite or PostgreSQL: the log with its read models, the log of reads, and what a witness keeps.

``tables`` declares the log's tables, ``supervision``, ``access`` and ``witness`` their own; ``database`` opens them
all, and ``migrating`` brings them to the newest schema and checks it. ``append`` writes a batch of entries, ``log``
reads them. ``cases``, ``clocks``, ``search``, ``feed`` and ``imports`` are the read models, each with its queries.
``bindings`` hold the rows that nobody signs; ``checkpoints``, ``chain_journal`` and ``webhooks`` are such rows.
``audit`` reads all of it again.
"""
