"""Whom a connection trusts: the authorities of the machine, one of the operator's own among them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import certifi
import pytest

from ledger.anchoring import timestamps
from ledger.anchoring.timestamps import TimestampWorker
from ledger.chain import rpc
from ledger.chain.rpc import JsonRpc
from ledger.client import service
from ledger.client.service import ServiceClient
from ledger.core.errors import Unavailable
from ledger.tls import tls_context
from ledger.witness import source
from ledger.witness.source import LogSource
from tests.testkit.ledgers import open_founded, sqlite_url
from tests.testkit.machine import free_port


def ask_authority(folder: Path) -> None:
    """Ask a timestamp authority that is not there."""
    with open_founded(sqlite_url(folder)) as ledger:
        url = f"https://127.0.0.1:{free_port()}"
        worker = TimestampWorker(ledger.database, url, (), interval_s=1, clock=lambda: 0)
        with pytest.raises(Unavailable):
            worker._ask("checkpoint")


CONNECTIONS: dict[ModuleType, Callable[[Path], object]] = {
    service: lambda _: ServiceClient("https://ledger.test"),
    source: lambda _: LogSource("https://ledger.test"),
    rpc: lambda _: JsonRpc("https://node.test"),
    timestamps: ask_authority,
}


@pytest.mark.parametrize("module", CONNECTIONS, ids=lambda module: module.__name__)
def test_the_machines_authorities_are_trusted(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not the list that a package brings, which no authority of the operator's own is in."""

    def other_list() -> str:
        raise AssertionError("the list of a package was asked for")

    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(certifi, "where", other_list)
    tls_context.cache_clear()
    CONNECTIONS[module](tmp_path)
