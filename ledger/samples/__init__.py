"""The twelve stories, told once: sample data, end-to-end tests and the demonstration all play what stands here.

``town`` has the agencies and people, and their keys, which ``tally init --development`` keeps in the data directory;
``case_acts`` the acts of a case, which tests use too; ``player`` signs and submits them. The stories are in ``stories``
(1 to 9 and 12), ``operator`` (10) and ``governance`` (11); ``load`` plays all. ``tally sample load`` does it over HTTP;
in a service, in a thread of its own::

    from ledger.samples import load

    where = DataDirectory(parts.settings.data_dir)
    ledger = load.InsideLedger(
        database=parts.database, validator=parts.validator, sequencer=parts.sequencer, authority=parts.authority,
        registry=lambda: parts.chain_worker.link.registry, files=DatasetFiles(parts.database),
        runs=lambda: parts.supervisor.state, clock=parts.clock,
    )
    load.require_development(where)            # RuleRefused not_development: show no button
    load.require_empty(where, ledger)          # Conflict not_empty: show none either
    load.is_begun(where)                       # begun, and perhaps not ended: loading again goes on
    load.load(where, ledger, show=keep)        # some 40 seconds; ``keep`` gets a ``load.Progress`` before each part

It raises Unavailable where chain or supervision do not do their part; the same call goes on from there. Who may
sign in afterwards: ``town.PEOPLE``, by profiles that ``tally sample profiles`` makes, and with them ``tally signer``.
"""
