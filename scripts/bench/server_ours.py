"""The service without a chain: custody rules checked, durable before the receipt, which proves inclusion.

python -m scripts.bench.server_ours PORT DATABASE_URL
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from typing import NoReturn

from api.app import create_app
from api.middleware.server import make_server
from api.services.parts import Parts
from api.wiring import make_supervisor
from ledger.anchoring.worker import ChainWorker
from ledger.config.settings import Settings
from ledger.core.errors import Unavailable
from ledger.core.log.notes import SeedSigner
from ledger.core.log.policy import parse_policy
from ledger.core.verification.trust import Trust
from ledger.deadlines.working_days import shipped_calendar
from ledger.procedures import shipped_rulebook
from ledger.recording.publisher import Publisher
from ledger.recording.registry_view import Registry
from ledger.recording.sequencer import Sequencer
from ledger.recording.system_stream import SystemStream
from ledger.recording.validation import Validator
from ledger.store.access import AccessLog
from ledger.store.database import open_database
from ledger.store.log import initialise, tree
from ledger.supervision.library.publishing import Definitions
from ledger.witness.gathering import CosignatureCollector
from scripts.bench.events import LOG_ID, SERVICE, registry_changes

UNBOUNDED = 10**9  # one address and two agencies make the whole load
SIGNER = SeedSigner.from_seed("bench.example/log", b"\x01" * 32)


class Trusted:
    trust = Trust(LOG_ID, SIGNER.verifying_key, SERVICE.key_id, parse_policy("quorum none\n"), True, ())


def make_parts(database_url: str, port: int) -> Parts:
    database = open_database(database_url)
    initialise(database, LOG_ID)
    registry = Registry(LOG_ID, SERVICE.key_id)
    validator = Validator(database, registry, shipped_rulebook(), shipped_calendar(), Definitions())
    publisher = Publisher(SIGNER)
    sequencer = Sequencer(database, registry, publisher, clock, validator.states)
    sequencer.start()
    system = SystemStream(database, validator, sequencer, publisher, SERVICE, log_id=LOG_ID, clock=clock)
    with database.read() as connection:
        known = tree(connection).registry_changes
    for change in islice(registry_changes(), known, None):  # a process beside another finds them there
        system.append(change)
    settings = Settings(port=port, max_requests_per_s=UNBOUNDED, max_events_per_s=UNBOUNDED)
    chain_worker = ChainWorker(no_chain, sequencer.halt, 1)
    return Parts(
        settings=settings,
        trust=Trusted(),
        database=database,
        registry=registry,
        validator=validator,
        sequencer=sequencer,
        publisher=publisher,
        access=AccessLog(database),
        chain_worker=chain_worker,
        collector=CosignatureCollector(
            database, tuple, policy=lambda: Trusted.trust.policy, halt=sequencer.halt, clock=clock
        ),
        supervisor=make_supervisor(
            settings=settings,
            path=None,
            database=database,
            registry=registry,
            validator=validator,
            system=system,
            clock=clock,
        ),
        token_key=b"\x02" * 32,
        clock=clock,
    )


def no_chain() -> NoReturn:
    raise Unavailable("there is no chain here")


def clock() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    own_port = int(sys.argv[1])
    app = create_app(make_parts(sys.argv[2], own_port))
    make_server(app, host="127.0.0.1", port=own_port, header_timeout_s=10).run()
