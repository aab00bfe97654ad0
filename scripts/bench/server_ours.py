"""The service without a chain: custody rules checked, durable before the receipt, which proves inclusion.

python -m scripts.bench.server_ours PORT DATABASE_URL
"""

from __future__ import annotations

import sys
from typing import NoReturn

from api.app import create_app
from api.middleware.server import make_server
from api.wiring import make_parts
from ledger.config.settings import Settings
from ledger.core.errors import Unavailable
from ledger.core.procedure.package import canonical_form
from ledger.procedures import shipped_package
from ledger.recording.clock import now_ms
from ledger.recording.public_store import public_store_of
from ledger.recording.uploading import TileUploader
from ledger.workers.pool import WorkerPool
from scripts.campaigns.casework import TRUST, recording_into

PROCEDURE = "cn-criminal"
UNBOUNDED = 10**9  # one address and two agencies make the whole load


class Trusted:
    trust = TRUST


def no_chain() -> NoReturn:
    raise Unavailable("there is no chain here")


def main(port: int, database_url: str) -> None:
    with recording_into(database_url, canonical_form(shipped_package(PROCEDURE))) as recording:
        settings = Settings(port=port, max_requests_per_s=UNBOUNDED, max_events_per_s=UNBOUNDED)
        uploader, store = None, public_store_of(settings)
        if store is not None:
            url = settings.tile_store_url
            uploader = TileUploader(recording.database, store, trust=lambda: TRUST, public_url=url)
            uploader.step()
        parts = make_parts(
            recording,
            settings=settings,
            trust=Trusted(),
            witnesses=tuple,
            connect=no_chain,
            views=None,
            token_key=b"\x02" * 32,
            clock=now_ms,
            workers=WorkerPool(),
            uploader=uploader,
        )
        make_server(create_app(parts), host="127.0.0.1", port=port, header_timeout_s=10).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
