"""Evidence files: given by who holds the item, kept if the record has their digest, taken by who reads sections."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from blake3 import blake3

from ledger.config.settings import Settings
from ledger.core.events.item import ItemDisposalProposed
from ledger.store.access import ACCESS_LOG
from tests.api.conftest import serving
from tests.api.service import Served, listening_for, problem, until
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Officer, auditor, clerk, supervisor
from tests.testkit.casework import Case, dispose

FILE = {"content-type": "application/octet-stream"}
LARGE = os.urandom(9_000_000)  # two segments
HOLDER, FORMER = clerk(PROCURATORATE), clerk(POLICE)


def digests_of(data: bytes) -> tuple[str, str]:
    return f"blake3:{blake3(data).hexdigest()}", f"sha256:{sha256(data).hexdigest()}"


@dataclass
class Desk:
    """A service with a store in ``folder``. ``phone`` is an item of the police, ``disk`` one that went to the court."""

    served: Served
    folder: Path
    texts: dict[str, bytes] = field(default_factory=dict)

    def path(self, item: str, digest: str | None = None, case: str = "case-1") -> str:
        place = f"/api/v1/cases/{case}/items/{item}/files"
        return place if digest is None else f"{place}/{digest}"

    def give(self, item: str, data: bytes, by: Officer, digest: str | None = None, case: str = "case-1") -> Any:
        path = self.path(item, digest or digests_of(data)[0], case)
        return self.served.request("POST", path, content=data, headers=FILE | self.served.token(by))

    def take(self, item: str, data: bytes, by: Officer, *, headers: Any = None, **query: str) -> httpx.Response:
        token = self.served.token(by) | (headers or {})
        return self.served.request("GET", self.path(item, digests_of(data)[0]), headers=token, params=query)

    def list(self, item: str, by: Officer) -> Any:
        return self.served.get(self.path(item), by).json()

    def objects(self) -> list[Path]:
        return [path for path in (self.folder / "files").rglob("*") if path.is_file()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A case of the police whose disk is with the procuratorate by now; nothing is kept yet."""
    folder = tmp_path / "store"
    settings = Settings(
        public_url="https://ledger.test",
        data_dir=tmp_path / "data",
        evidence_store=folder.as_uri(),
        max_evidence_bytes=10_000_000,
    )
    with serving(tmp_path, settings) as served:
        case = Case(start=served.ledger.clock.seconds - 600).open()
        case.register("disk", digests=digests_of(LARGE))
        case.register("phone", digests=digests_of(b"phone")[1:])
        case.offer("disk", to=PROCURATORATE, purpose="prosecution_review").accept()
        served.record(case)
        yield Desk(served, folder)


def test_a_file_is_kept_encrypted_and_comes_back(desk: Desk) -> None:
    """Its holder gives it, and takes it as an attachment that nothing runs; what is stored is no part of it."""
    assert desk.list("disk", HOLDER)["has_store"]
    before = desk.list("disk", HOLDER)["files"]
    assert [(row["recorded"], row["kept"]) for row in before] == [(digest, False) for digest in digests_of(LARGE)]
    given = desk.give("disk", LARGE, HOLDER)
    assert given.status_code == 200, given.text
    assert given.json()["digests"] == list(digests_of(LARGE))
    (row,) = desk.list("disk", HOLDER)["files"]
    assert (row["kept"], row["size"], row["agency"], row["officer"]) == (
        True,
        len(LARGE),
        PROCURATORATE,
        HOLDER.officer_id,
    )
    taken = desk.take("disk", LARGE, HOLDER)
    assert taken.content == LARGE
    assert taken.headers["content-disposition"].startswith('attachment; filename="disk-')
    assert taken.headers["content-type"] == "application/octet-stream"
    assert taken.headers["x-content-type-options"] == "nosniff"
    assert taken.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert taken.headers["cache-control"] == "no-store"
    assert len(desk.objects()) == 2
    assert all(LARGE[100:200] not in path.read_bytes() for path in desk.objects())
    assert all(path.stat().st_mode & 0o077 == 0 for path in desk.folder.rglob("*"))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=8388600-8388620", 8388600, 8388621), ("bytes=-5", 8999995, 9000000)],
)
def test_a_part_of_a_file_is_taken(desk: Desk, asked: str, start: int, end: int) -> None:
    """As by a download that goes on where it was cut off, also across two segments."""
    desk.give("disk", LARGE, HOLDER)
    part = desk.take("disk", LARGE, HOLDER, headers={"range": asked})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(LARGE)}"
    assert part.content == LARGE[start:end]
    problem(desk.take("disk", LARGE, HOLDER, headers={"range": "bytes=9000000-"}), 416, "no_such_range", "Range")


def test_another_file_than_the_recorded_one_is_refused(desk: Desk) -> None:
    """One that is cut or another one, and a digest that the record of the item does not have, or of another item."""
    wrong = problem(desk.give("disk", LARGE[:-1], HOLDER, digests_of(LARGE)[0]), 400, "digest_differs", "file")
    assert digests_of(LARGE)[0] in wrong["detail"]
    assert digests_of(LARGE[:-1])[0] in wrong["detail"]
    problem(desk.give("disk", b"phone", HOLDER, digests_of(b"phone")[1]), 404, "digest_not_recorded", "digest")
    problem(desk.give("disk", b"x", HOLDER, digests_of(b"x")[0]), 404, "digest_not_recorded", "digest")
    assert desk.objects() == []
    assert not any(row["kept"] for row in desk.list("disk", HOLDER)["files"])


def test_a_file_is_given_by_who_holds_the_item(desk: Desk) -> None:
    """Not by who held it before, who reads, or who does not see the case; these are told that nothing is there."""
    problem(desk.give("disk", LARGE, FORMER), 403, "not_held", "item_id")
    problem(desk.give("disk", LARGE, auditor(PROCURATORATE)), 403, "role_missing")
    problem(desk.give("disk", LARGE, clerk(COURT)), 404, "not_found", "case_id")
    problem(desk.give("ghost", LARGE, HOLDER), 404, "not_found", "item_id")
    problem(desk.give("disk", LARGE, HOLDER, case="ghost"), 404, "not_found", "case_id")
    assert desk.give("phone", b"phone", FORMER, digests_of(b"phone")[1]).status_code == 200
    assert desk.give("phone", b"phone", supervisor(POLICE), digests_of(b"phone")[1]).status_code == 200


def test_a_file_is_taken_by_who_reads_sections_of_the_case(desk: Desk) -> None:
    """Who holds nothing of the case any more states the ground, which is recorded; others see neither case nor file."""
    desk.give("disk", LARGE, HOLDER)
    problem(desk.take("disk", LARGE, clerk(COURT)), 404, "not_found", "case_id")
    assert desk.take("disk", LARGE, FORMER).content == LARGE  # the phone is there still
    case = (
        Case("case-2", start=desk.served.ledger.clock.seconds - 300).open().register("disk", digests=digests_of(b"d"))
    )
    desk.served.record(case.offer("disk", to=PROCURATORATE, purpose="prosecution_review").accept())
    assert desk.give("disk", b"d", HOLDER, case="case-2").status_code == 200
    path = desk.path("disk", digests_of(b"d")[0], "case-2")
    problem(desk.served.get(path, FORMER), 403, "ground_missing", "ground")
    assert desk.served.get(path, FORMER, ground="review of the search").content == b"d"
    with desk.served.parts.database.access.connect() as connection:
        reads = [row for row in connection.execute(ACCESS_LOG.select()) if row.case_id == "case-2"]
    assert sum(b"review of the search" in row.record for row in reads if row.agency == POLICE) == 1


def test_who_is_offered_a_case_reads_no_files_of_it(desk: Desk) -> None:
    """He sees which there are, as he sees the item, and is told whom to ask."""
    desk.give("disk", LARGE, HOLDER)
    case = (
        Case("case-3", start=desk.served.ledger.clock.seconds - 300).open().register("disk", digests=digests_of(b"d"))
    )
    desk.served.record(case.offer("disk", to=COURT, purpose="jurisdiction_transfer"))
    desk.give("disk", b"d", FORMER, case="case-3")
    assert desk.served.get(desk.path("disk", case="case-3"), clerk(COURT)).json()["files"][0]["kept"]
    problem(desk.served.get(desk.path("disk", digests_of(b"d")[0], "case-3"), clerk(COURT)), 403, "files_not_shown")


def test_a_file_that_was_changed_in_the_storage_is_not_handed_out(desk: Desk) -> None:
    """Nor one that is gone; and a storage that is away is a passing fault that tells what to do."""
    desk.give("disk", LARGE, HOLDER)
    first, _ = sorted(desk.objects())
    sealed = first.read_bytes()
    first.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert "tally evidence store check" in problem(desk.take("disk", LARGE, HOLDER), 500, "file_damaged")["hint"]
    first.unlink()
    problem(desk.take("disk", LARGE, HOLDER), 500, "file_missing")
    desk.folder.rename(desk.folder.with_name("away"))
    problem(desk.take("disk", LARGE, HOLDER), 503, "store_unavailable")
    problem(desk.give("disk", LARGE, HOLDER), 503, "store_unavailable")
    desk.folder.with_name("away").rename(desk.folder)
    assert desk.give("disk", LARGE, HOLDER).status_code == 200  # in the place of the damaged one
    assert desk.take("disk", LARGE, HOLDER).content == LARGE


def test_a_file_is_limited_in_size(desk: Desk) -> None:
    """Refused while it arrives, whatever it says of its length; nothing of it stays."""
    problem(desk.give("disk", bytes(10_000_001), HOLDER, digests_of(LARGE)[0]), 400, "file_too_large", "file")
    assert desk.objects() == []


def test_an_upload_that_is_cut_off_leaves_nothing(desk: Desk) -> None:
    """A client that goes away in the middle: its segments are deleted, and the same file is taken afterwards."""
    path = desk.path("disk", digests_of(LARGE)[0])
    token = desk.served.token(HOLDER)["authorization"]
    with listening_for(desk.served) as port:
        head = f"POST {path} HTTP/1.1\r\nHost: ledger.test\r\nAuthorization: {token}\r\n"
        head += f"Content-Type: application/octet-stream\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head.encode() + LARGE[:-1])
            until(desk.objects)
        until(lambda: not desk.objects())
    assert desk.give("disk", LARGE, HOLDER).status_code == 200


@pytest.mark.parametrize("becomes", ["destroyed", "handed over"])
def test_an_upload_ends_after_the_item_went(desk: Desk, becomes: str) -> None:
    """What was allowed at its beginning is asked again at its end: nothing of the file stays."""
    case = (
        Case("case-4", start=desk.served.ledger.clock.seconds - 300)
        .open()
        .register("disk", kind="property", digests=digests_of(LARGE))
    )
    desk.served.record(case)
    count = len(case.events)
    path = desk.path("disk", digests_of(LARGE)[0], "case-4")
    token = desk.served.token(FORMER)["authorization"]
    with listening_for(desk.served) as port:
        head = f"POST {path} HTTP/1.1\r\nHost: ledger.test\r\nAuthorization: {token}\r\n"
        head += f"Content-Type: application/octet-stream\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head.encode() + LARGE[:-1])
            until(desk.objects)
            if becomes == "destroyed":
                case.say(ItemDisposalProposed, item_ids=("disk",), disposal="destroyed", ground="court order")
                dispose(case, disposed_at=case.moment)
            else:
                case.offer("disk", to=PROCURATORATE, purpose="prosecution_review").accept()
            desk.served.ledger.post_all(case.events[count:])
            client.sendall(LARGE[-1:])
            answer = client.recv(100)
    assert answer.startswith(b"HTTP/1.1 403"), answer
    assert desk.objects() == []


def test_without_a_store_digests_are_all_that_is_kept(tmp_path: Path) -> None:
    """As it is unless the operator names one."""
    with serving(tmp_path) as served:
        desk = Desk(served, tmp_path)
        case = Case(start=served.ledger.clock.seconds - 600).open()
        served.record(case.register("disk", digests=digests_of(LARGE)))
        assert not desk.list("disk", FORMER)["has_store"]
        assert len(desk.list("disk", FORMER)["files"]) == 2
        problem(desk.give("disk", LARGE, FORMER), 404, "no_evidence_store")
        problem(desk.take("disk", LARGE, FORMER), 404, "no_evidence_store")
