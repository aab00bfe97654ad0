"""The service without a chain: custody rules checked, durable before the receipt, which proves inclusion.

python -m scripts.bench.server_ours PORT DATABASE_URL
"""

from __future__ import annotations

import sys
from itertools import islice
from typing import NoReturn

from api.app import create_app
from api.middleware.server import make_server
from api.services.parts import Parts
from api.wiring import make_parts, now_ms
from ledger.config.settings import Settings
from ledger.core.errors import Unavailable
from ledger.store.database import open_database
from ledger.store.log import initialise, tree
from ledger.workers.pool import WorkerPool
from scripts.campaigns import casework
from scripts.campaigns.casework import LOG_ID, recording_over, registry_changes

UNBOUNDED = 10**9  # one address and two agencies make the whole load


class Trusted:
    trust = casework.TRUST


def make_bench_parts(database_url: str, port: int) -> Parts:
    database = open_database(database_url)
    initialise(database, LOG_ID)
    recording = recording_over(database)
    recording.sequencer.start()
    with database.read() as connection:
        mirrored = tree(connection).registry_changes
    for change in islice(registry_changes(), mirrored, None):  # a process beside another finds them there
        recording.system.append(change)
    return make_parts(
        recording,
        settings=Settings(port=port, max_requests_per_s=UNBOUNDED, max_events_per_s=UNBOUNDED),
        trust=Trusted(),
        witnesses=tuple,
        connect=no_chain,
        views=None,
        token_key=b"\x02" * 32,
        clock=now_ms,
        workers=WorkerPool(),
    )


def no_chain() -> NoReturn:
    raise Unavailable("there is no chain here")


if __name__ == "__main__":
    own_port = int(sys.argv[1])
    app = create_app(make_bench_parts(sys.argv[2], own_port))
    make_server(app, host="127.0.0.1", port=own_port, header_timeout_s=10).run()
