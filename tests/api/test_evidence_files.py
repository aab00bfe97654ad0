"""Evidence files: given by who holds the item, kept if the record has their digest, taken by who reads sections."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from blake3 import blake3

from api.middleware import request_limits
from api.services.service_status import alarms, service_status
from ledger.config.settings import Settings
from ledger.core.errors import Unavailable
from ledger.core.events.item import ItemDisposalProposed
from ledger.evidence.kept_evidence import KeptEvidence
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

    @property
    def store(self) -> KeptEvidence:
        """The store of the service."""
        store = self.served.parts.evidence
        assert store is not None
        return store

    def recorded(self, word: bytes) -> int:
        """Return how many records of the log of reads have this word."""
        with self.served.parts.database.access.connect() as connection:
            return sum(word in row.record for row in connection.execute(ACCESS_LOG.select()))

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
        max_evidence_bytes_of_agency=9_500_000,
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
    answer = desk.give("disk", LARGE, HOLDER)
    assert answer.status_code == 200, answer.text
    assert answer.json()["digests"] == list(digests_of(LARGE))
    assert desk.recorded(b"given") == 1
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


def test_what_headers_say_of_a_file_is_not_believed(desk: Desk) -> None:
    """A part would have another digest than the record; zeros before a length are passed on by servers, and the bytes
    counted."""
    path, part = desk.path("disk", digests_of(LARGE)[0]), {"content-range": f"bytes 0-99/{len(LARGE)}"}
    answer = desk.served.request("POST", path, content=LARGE[:100], headers=FILE | desk.served.token(HOLDER) | part)
    problem(answer, 400, "malformed_input", "Content-Range")
    path, long = desk.path("disk", digests_of(LARGE)[0]), {"content-length": str(len(LARGE)).zfill(5000)}
    answer = desk.served.request("POST", path, content=LARGE, headers=FILE | desk.served.token(HOLDER) | long)
    assert answer.status_code == 200, answer.text


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
    """One that is cut or another one, a digest that the record of this item does not have; nor by who held it before,
    who reads, or who does not see the case, to whom nothing is there."""
    wrong = problem(desk.give("disk", LARGE[:-1], HOLDER, digests_of(LARGE)[0]), 400, "digest_differs", "file")
    assert digests_of(LARGE)[0] in wrong["detail"]
    assert digests_of(LARGE[:-1])[0] in wrong["detail"]
    problem(desk.give("disk", b"phone", HOLDER, digests_of(b"phone")[1]), 404, "digest_not_recorded", "digest")
    problem(desk.give("disk", b"x", HOLDER, digests_of(b"x")[0]), 404, "digest_not_recorded", "digest")
    assert desk.objects() == []
    assert not any(row["kept"] for row in desk.list("disk", HOLDER)["files"])
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
    evidence = desk.served.parts.evidence
    assert evidence is not None
    assert not evidence.look()
    (alarm,) = (each for each in alarms(service_status(desk.served.parts, None)) if "evidence" in each.kind)
    assert (alarm.kind, bool(alarm.detail), bool(alarm.hint)) == ("evidence_store_fault", True, True)
    desk.folder.with_name("away").rename(desk.folder)
    assert evidence.look()
    assert service_status(desk.served.parts, None).evidence is None
    assert desk.give("disk", LARGE, HOLDER).status_code == 200  # in the place of the damaged one
    assert desk.take("disk", LARGE, HOLDER).content == LARGE


@contextmanager
def asking(
    desk: Desk, method: str, path: str, by: Officer, length: int | None = None, buffer: int | None = None
) -> Iterator[socket.socket]:
    """Ask a real server by hand, for a body of this length that is not sent yet."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: ledger.test\r\nAuthorization: {desk.served.token(by)['authorization']}\r\n"
    )
    if length is not None:
        head += f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n"
    with listening_for(desk.served) as port, socket.socket() as client:
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(20)
        client.connect(("127.0.0.1", port))
        client.sendall(f"{head}\r\n".encode())
        yield client


def all_of(client: socket.socket) -> bytes:
    """Return all that the server sends until it closes the connection."""
    parts = []
    with suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_a_file_is_limited_in_size(desk: Desk) -> None:
    """Refused while it arrives if it does not say how long it is; nothing of it stays."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(101):
            yield bytes(100_000)

    path = desk.path("disk", digests_of(LARGE)[0])
    answer = desk.served.request("POST", path, content=pieces(), headers=FILE | desk.served.token(HOLDER))
    problem(answer, 400, "quota_exceeded", "file")
    assert desk.objects() == []


@pytest.mark.parametrize(("length", "code"), [(10_000_001, b"file_too_large"), (9_600_000, b"quota_exceeded")])
def test_room_is_judged_before_a_file_is_sent(desk: Desk, length: int, code: bytes) -> None:
    """By what the request says of its length: nobody sends gigabytes to learn that there is no room."""
    with asking(desk, "POST", desk.path("disk", digests_of(LARGE)[0]), HOLDER, length) as client:
        answer = client.recv(65536) + client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400")
    assert code in answer


def test_what_an_agency_keeps_already_takes_its_room(desk: Desk) -> None:
    """Also where the file does not say how long it is; a file that is given again takes no room anew."""
    case = Case("case-5", start=desk.served.ledger.clock.seconds - 300).open()
    another = os.urandom(600_000)
    desk.served.record(case.register("disk", digests=digests_of(LARGE)).register("chip", digests=digests_of(another)))
    assert desk.give("disk", LARGE, FORMER, case="case-5").status_code == 200
    problem(desk.give("chip", another, FORMER, case="case-5"), 400, "quota_exceeded", "file")
    assert desk.give("disk", LARGE, FORMER, case="case-5").status_code == 200


def test_a_file_that_comes_too_slowly_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte by byte it would hold its place for days; it is refused, and its place is free again."""
    monkeypatch.setattr(request_limits, "LEAST_WITHIN_S", 0.3)
    with asking(desk, "POST", desk.path("disk", digests_of(LARGE)[0]), HOLDER, len(LARGE)) as client:
        client.settimeout(0.05)
        answer = b""
        for byte in LARGE[:300]:
            client.sendall(bytes((byte,)))
            with suppress(TimeoutError):
                if answer := client.recv(65536):
                    break
    assert answer.startswith(b"HTTP/1.1 408")
    with desk.store.arriving.place(PROCURATORATE), desk.store.arriving.place(PROCURATORATE):
        assert desk.give("disk", LARGE, HOLDER).status_code == 200


def test_an_agency_cannot_take_all_places(desk: Desk) -> None:
    """Of those for files that arrive, and of those for files that leave: others give and take theirs meanwhile."""
    desk.give("disk", LARGE, HOLDER)
    for places in (desk.store.arriving, desk.store.leaving):
        with ExitStack() as stack:
            for _ in range(places.of_agency):
                stack.enter_context(places.place(PROCURATORATE))
            is_arriving = places is desk.store.arriving
            answer = desk.give("disk", LARGE, HOLDER) if is_arriving else desk.take("disk", LARGE, HOLDER)
            assert ("giving" if is_arriving else "taking") in problem(answer, 503, "busy")["detail"]
            assert int(answer.headers["retry-after"]) > 0
            if is_arriving:
                assert desk.give("phone", b"phone", FORMER, digests_of(b"phone")[1]).status_code == 200
            else:
                assert desk.take("disk", LARGE, FORMER).content == LARGE
            for number in range(places.most - places.of_agency):
                stack.enter_context(places.place(f"agency-{number}"))
            with pytest.raises(Unavailable) as refused:
                stack.enter_context(places.place(POLICE))
            assert refused.value.code == "busy"
            assert refused.value.hint is not None
            assert ("given" if is_arriving else "taken") in str(refused.value)
    assert desk.take("disk", LARGE, HOLDER).content == LARGE


def test_who_does_not_receive_a_file_is_cut_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that nobody reads holds its place no longer than one that is too slow may."""
    desk.give("disk", LARGE, HOLDER)
    monkeypatch.setattr(request_limits, "LEAST_WITHIN_S", 0.3)
    with asking(desk, "GET", desk.path("disk", digests_of(LARGE)[0]), HOLDER, buffer=4096) as client:
        until(lambda: any(line["status"] == 499 for line in desk.served.lines))
        assert len(all_of(client)) < len(LARGE)
    assert desk.store.leaving.taken == 0


def test_to_ask_for_the_head_of_a_file_reads_nothing_of_it(desk: Desk) -> None:
    """It tells the size, and needs neither the storage nor a place."""
    desk.give("disk", LARGE, HOLDER)
    desk.folder.rename(desk.folder.with_name("away"))
    path = desk.path("disk", digests_of(LARGE)[0])
    answer = desk.served.request("HEAD", path, headers=desk.served.token(HOLDER))
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(len(LARGE)), b"")


def test_a_preview_takes_its_turn_before_it_reads(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has work enough here is refused before a byte of the file is in memory: the storage is not even asked."""
    desk.give("disk", LARGE, HOLDER)
    desk.folder.rename(desk.folder.with_name("away"))
    pool = desk.served.parts.workers
    monkeypatch.setattr(pool, "_waiting", 1)
    path = f"{desk.path('disk', digests_of(LARGE)[0])}/preview"
    with pool.turn(PROCURATORATE):
        problem(desk.served.get(path, HOLDER), 503, "busy")
    problem(desk.served.get(path, HOLDER), 503, "store_unavailable")


@contextmanager
def nearly_uploaded(desk: Desk, path: str, officer: Officer) -> Iterator[socket.socket]:
    """Send all of the file but its last byte, and keep the connection until the block is left."""
    head = f"POST {path} HTTP/1.1\r\nHost: ledger.test\r\n"
    head += f"Authorization: {desk.served.token(officer)['authorization']}\r\n"
    head += f"Content-Type: application/octet-stream\r\nContent-Length: {len(LARGE)}\r\n\r\n"
    with listening_for(desk.served) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head.encode() + LARGE[:-1])
            until(desk.objects)
            yield client
        until(lambda: not desk.objects())


def test_an_upload_that_is_cut_off_leaves_nothing(desk: Desk) -> None:
    """A client that goes away in the middle: its segments are deleted, and the same file is taken afterwards."""
    with nearly_uploaded(desk, desk.path("disk", digests_of(LARGE)[0]), HOLDER):
        pass
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
    with nearly_uploaded(desk, desk.path("disk", digests_of(LARGE)[0], "case-4"), FORMER) as client:
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
    assert desk.recorded(b"given") == 0


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
