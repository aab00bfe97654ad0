"""The twelve stories, told once: sample data, end-to-end tests and the demonstration all play what stands here.

``town`` has the agencies and people, and their keys, which ``tally init --development`` keeps in the data directory;
``case_acts`` the acts of a case, which tests use too; ``player`` signs and submits them. The stories are in ``stories``
(1 to 9 and 12), ``operator`` (10) and ``governance`` (11); ``load`` plays all. ``tally sample load`` does it over HTTP,
the console's page *Operation* within its service (``load.InsideLedger``), in a thread of its own.

It raises Unavailable where chain or supervision do not do their part; the same call goes on from there. Who may
sign in afterwards: ``town.PEOPLE``, by profiles that ``tally sample profiles`` makes, and with them ``tally signer``.
"""
