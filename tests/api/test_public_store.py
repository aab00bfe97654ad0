"""A service with a public store: readers are sent there for what it has, and served what it has not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ledger.client.service import ServiceClient
from ledger.config.settings import Settings
from ledger.core.errors import Unavailable
from ledger.core.log.tiles import decode_entry_bundle
from ledger.store import log
from ledger.witness.source import LogSource, LogUnreadable
from tests.api.conftest import serving
from tests.api.service import Served, listening_for
from tests.testkit.casework import Case
from tests.testkit.faulty_service import Answer, Asked, faulty_service
from tests.testkit.machine import Quiet, listening

SIZE = 600


@dataclass
class Stand:
    """A service, its folder, and a web server that serves the folder; ``asked`` are the paths that it was asked for."""

    served: Served
    folder: Path
    url: str
    asked: list[str]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A log of more than two full tiles, uploaded; nothing of it is written any more."""
    folder, asked = tmp_path_factory.mktemp("public") / "log", []

    class Handler(Quiet, SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any):
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    with listening(Handler) as url:
        settings = Settings(public_url="https://ledger.test", tile_store=folder.as_uri(), tile_store_url=url)
        with serving(tmp_path_factory.mktemp("served"), settings) as served:
            now = served.size()
            served.ledger.post_all([Case(f"case-{number}").open().last for number in range(now, SIZE)])
            served.publish()
            assert served.parts.uploader is not None
            assert served.parts.uploader.step()
            yield Stand(served, folder, url, asked)


def test_full_tiles_are_at_the_store_and_the_rest_is_served(stand: Stand) -> None:
    """A redirect to the same bytes; of partial tiles every width is with the service, as without a store."""
    for name in ("tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"):
        moved = stand.served.get(f"/{name}")
        assert (moved.status_code, moved.headers["location"]) == (307, f"{stand.url}/{name}")
        assert moved.headers["cache-control"] == "public, max-age=60"
        assert (stand.folder / name).is_file()
    for name in ("tile/0/000.p/7", "tile/0/002.p/88", "tile/entries/002.p/88", "tile/1/000.p/2", "checkpoint"):
        assert stand.served.get(f"/{name}").status_code == 200
    assert stand.served.get("/tile/0/002").status_code == 404
    assert stand.served.get("/tile/0/000/").status_code == 400
    assert stand.served.request("HEAD", "/tile/0/000").status_code == 307


def test_readers_of_ours_find_all_entries(stand: Stand) -> None:
    """A witness's or monitor's, and that of `tally log`, each over HTTP: full tiles come from the store."""
    with stand.served.ledger.database.read() as connection:
        entries = log.envelopes(connection, 0, SIZE)
        tile = log.tile_reader(connection)(0, 1, 256)
    with listening_for(stand.served) as port:
        url = f"http://127.0.0.1:{port}"
        source = LogSource(url)
        assert source.entries(0, SIZE) == entries
        assert source.tile(0, 1, 256) == tile
        source.close()
        with ServiceClient(url) as client:
            assert decode_entry_bundle(client.fetch("/tile/entries/001"), 256) == entries[256:512]
            assert decode_entry_bundle(client.fetch("/tile/entries/002.p/88"), 88) == entries[512:]
    assert {*stand.asked} == {"/tile/0/001", "/tile/entries/000", "/tile/entries/001"}


def test_a_log_sends_its_readers_nowhere_else() -> None:
    """A redirect of anything but a tile, or to anything but that tile, is not followed; nor a second one."""
    targets: list[str] = []

    def redirecting(asked: Asked) -> Answer:
        targets.append(asked.path)
        return Answer(307, b"", {"Location": f"{elsewhere.url}/once/more{asked.path}"})

    with faulty_service(redirecting) as elsewhere:
        places = {"/checkpoint": "/checkpoint", "/tile/0/000": "/admin/delete", "/tile/0/001": "/log/tile/0/001"}

        def moved(asked: Asked) -> Answer:
            return Answer(307, b"", {"Location": elsewhere.url + places[asked.path]})

        with faulty_service(moved) as lying:
            source = LogSource(lying.url)
            with pytest.raises(LogUnreadable):
                source.checkpoint()
            for index in (0, 1):
                with pytest.raises(LogUnreadable):
                    source.tile(0, index, 256)
            source.close()
            with ServiceClient(lying.url) as client:
                for path in places:
                    with pytest.raises(Unavailable) as refused:
                        client.fetch(path)
                    assert refused.value.code == "service_garbled"
    assert targets == ["/log/tile/0/001"] * 2


def test_the_state_of_the_store_is_told(stand: Stand, tmp_path: Path) -> None:
    """By `/api/v1/log` and on the page of the service: how far it is, and what is wrong. Without one, nothing."""
    state = stand.served.get("/api/v1/log").json()
    assert state["stored"] == {"size": SIZE, "url": stand.url, "fault": None, "hint": None}
    uploader = stand.served.parts.uploader
    assert uploader is not None
    page = stand.served.get("/console/operation").text
    assert "In the public store" in page
    assert stand.url in page
    with serving(tmp_path) as served:
        assert served.get("/api/v1/log").json()["stored"] is None
        assert "In the public store" not in served.get("/console/operation").text
