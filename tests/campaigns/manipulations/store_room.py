"""A case whose things lie in a store room: files that the service keeps of them, holds, and counts of the room.

All of it comes to be as in a ledger in use: people's requests are answered by the service, and the service itself
hashes files again, records what it finds and deletes what was destroyed. What is left when it ends: files of which one
is kept for two items and two are kept for one, a damaged one with its incident, one that is still to be deleted and one
that is still to be hashed, because their storage went away; a stocktake that is recorded, with differences, and one
that is open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
from blake3 import blake3

from api.app import create_app
from api.services.parts import Parts
from ledger.config.installation import DataDirectory
from ledger.core.encoding.decoding import convert
from ledger.core.events import EVENT_TYPES, Authority, Stream
from ledger.core.events.case import CaseOpened, CaseSplit
from ledger.core.events.hold import HoldPlaced, HoldReleased
from ledger.core.events.item import ItemCheckedIn, ItemCheckedOut, ItemDisposalProposed, ItemDisposed, ItemMoved
from ledger.core.events.letter import LetterSent
from ledger.core.events.retention import RetentionSet
from ledger.evidence.file_encryption import object_of
from ledger.recording.event_signing import Sources, StreamPosition, sign_event
from ledger.samples.player import Player, SampleCase
from ledger.samples.town import TownKeys
from ledger.store import evidence_files
from ledger.store.evidence_files import FileCheck
from tests.campaigns.manipulations.shown import token_of
from tests.testkit.sample_town import SampleTown

CASE, SPLIT_OFF = "store-room", "store-room-2"
ORDER = Authority("court_order", "（样例）令1号")
WITHIN_S = 60  # in which the service looks after its files
COUNTED, BEING_COUNTED = "Room 3", "Room 4"  # the places of the two stocktakes
IMAGE, NOTES, PHONE, TAPE, SPARE = b"an image" * 1000, b"notes", b"a phone's memory", b"a tape", b"a spare tape"
_FILES = {"disk": (IMAGE, NOTES), "copy": (IMAGE,), "phone": (PHONE,), "tape": (TAPE,), "spare": (SPARE,)}


def storage_of(folder: Path) -> Path:
    """Return where the evidence files of the ledger in ``folder`` are."""
    return folder / "evidence"


def digests_of(data: bytes) -> tuple[str, str]:
    return f"blake3:{blake3(data).hexdigest()}", f"sha256:{sha256(data).hexdigest()}"


class Desk:
    """The service's answers to people of the town, without a socket."""

    def __init__(self, parts: Parts, where: DataDirectory, loop: asyncio.Runner):
        self._parts = parts
        self._where = where
        self._loop = loop
        self._app = create_app(parts, write_log=lambda *_line, **_fields: None)

    def ask(self, profile: str, method: str, path: str, **options: Any) -> Any:
        """Return what is answered, which must be no refusal."""

        async def answered() -> httpx.Response:
            url, token = self._parts.settings.url, token_of(self._parts, self._where.path, profile)
            headers = options.pop("headers", {}) | {"authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=url) as client:
                return await client.request(method, f"/api/v1{path}", headers=headers, **options)

        answer = self._loop.run(answered())
        if not answer.is_success:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()


def play(town: SampleTown, folder: Path) -> None:
    """Play it into the town, whose evidence files are in the ``storage_of`` this folder; that is away at the end."""
    keys = TownKeys.of(town.where)
    player = Player(town.ledger, keys, began_at=int(time.time()), secret="of the store room")
    with asyncio.Runner() as loop:
        desk = Desk(town.parts, town.where, loop)
        case = player.case(CASE, days_ago=30)
        _take_in(case)
        _keep_files(desk)
        _damage(town.parts, storage_of(folder), PHONE)
        case.on(2).say(ItemMoved, item_id="disk", storage_location="Room 4, shelf 1")
        case.say(ItemMoved, item_id="phone", storage_location="Room 4, shelf 2")
        case.say(ItemCheckedOut, item_id="disk", to_officer="p-0417", ground="检验 looked at").say(
            ItemCheckedIn, item_id="disk"
        )
        _await(town.parts, "disk and phone are hashed again", lambda checks: len(checks) == 7 and _are_done(checks))
        _destroy(case, "spare")
        _await(town.parts, "the file of the spare tape is gone", lambda checks: _are_done(checks, "gone"))
        # Away for good: of what is due now, the one file stays to be hashed, and of the other its objects.
        storage_of(folder).rename(away := storage_of(folder).with_name("away"))
        _destroy(case, "tape")
        _await(town.parts, "the tape's file has its key no more", lambda checks: _count_gone(checks) == 2)
        case.say(ItemMoved, item_id="copy", storage_location=BEING_COUNTED)
        _await(town.parts, "the copy's file is due", lambda checks: any(check.checked_at is None for check in checks))
        _hold(case)
        _write_and_split(player, case)
        _count(desk, player)
    assert away.exists(), "it is put back by whoever looks at the ledger"


def bring_back(folder: Path) -> None:
    """Bring the storage of evidence files back, once no service runs that would go on with them."""
    storage_of(folder).with_name("away").rename(storage_of(folder))


def _take_in(case: SampleCase) -> None:
    case.open(case_number="东公刑立字〔样例〕13号", case_type="盗窃 theft").name("样例某 somebody")
    for number, item_id in enumerate(("knife", "coat", "bag", "lamp"), 1):
        seal = {"seal_number": "FY-13-4"} if item_id == "lamp" else {}
        case.register(item_id, storage_location=f"{COUNTED}, shelf 1", exhibit_number=str(number), **seal)
    for item_id, contents in _FILES.items():
        kind = "property" if item_id in ("tape", "spare") else "exhibit"
        digests = tuple(digest for data in contents for digest in digests_of(data))
        case.register(item_id, kind=kind, storage_location=BEING_COUNTED, digests=digests)


def _keep_files(desk: Desk) -> None:
    for item_id, contents in _FILES.items():
        for data in contents:
            path = f"/cases/{CASE}/items/{item_id}/files/{digests_of(data)[0]}"
            desk.ask("police", "POST", path, content=data, headers={"content-type": "application/octet-stream"})


def _damage(parts: Parts, storage: Path, data: bytes) -> None:
    with parts.database.read() as connection:
        stored = evidence_files.file(connection, digests_of(data)[0])
    assert stored is not None
    (storage / object_of(stored.name, 0)).write_bytes(b"something else")


def _destroy(case: SampleCase, item_id: str) -> None:
    proposal = {"item_ids": (item_id,), "disposal": "destroyed", "ground": "无用 of no use"}
    case.say(ItemDisposalProposed, **proposal)
    case.say(ItemDisposed, "police-chief", cites=case.ref, disposed_at=case.moment)


def _hold(case: SampleCase) -> None:
    """Place two holds, of which one is released, and set a time of retention."""
    held = {"kind": "legal_hold", "ground": "申诉 a complaint", "scope": "items", "authority": ORDER}
    for number, items in enumerate((("disk", "copy"), ("phone",)), 1):
        named = {"hold_id": f"hold-{number}", "number": f"H-{number}", "item_ids": items}
        case.say(HoldPlaced, "police-chief", review_on=f"203{number}-01-01", **held, **named)
    case.say(HoldReleased, "police-chief", hold_id="hold-2", ground="撤回 withdrawn", authority=ORDER)
    case.say(
        RetentionSet, "police-chief", until="2040-01-01", ground="命令 by order", item_ids=("disk",), authority=ORDER
    )


def _write_and_split(player: Player, case: SampleCase) -> None:
    asked = {
        "kind": "refusal_reasons_required",
        "number": "函13号",
        "to_agency": "detention-east",
        "content": "请说明理由",
    }
    case.say(LetterSent, letter_id="letter-1", sent_at=case.moment, **asked)
    case.say(CaseSplit, new_case_id=SPLIT_OFF, item_ids=("bag",), ground="另案处理 another matter")
    opening = {
        "business_line": "criminal",
        "stage": "investigation",
        "procedure": "cn-criminal",
        "case_type": "盗窃 theft",
    }
    new_case = player.case(SPLIT_OFF, days_ago=28)
    new_case.say(
        CaseOpened, "police", case_number="东公刑立字〔样例〕14号", split_from=case.ref, source=case.state, **opening
    )


def _count(desk: Desk, player: Player) -> None:
    """Count the one room and record what differs; count the other one and go home before it is done."""
    opened = desk.ask("police", "POST", "/stocktakes", json={"storage_location": COUNTED})["stocktake_id"]
    scans = [{"code": "knife"}, {"code": "lamp", "seal_number": "FY-13-9"}, {"code": "x-17"}]
    desk.ask("police", "POST", f"/stocktakes/{opened}/scans", json={"scans": scans})
    acts = desk.ask("police", "POST", f"/stocktakes/{opened}/acts", json={"remark": "样例 a sample"})["acts"]
    following = dict[Stream, StreamPosition]()
    lines = list[bytes]()
    for act in acts:
        stream = convert(act["stream"], Stream)
        place = following.get(stream) or StreamPosition(stream, act["sequence"], act["previous"])
        body = msgspec.convert(act["body"], EVENT_TYPES[act["event_type"]].body)
        signed = sign_event(body, place, player.keys.actor("police"), player.ledger.log_id, sources=Sources())
        following[stream] = signed.following
        lines.append(signed.submission)
    ndjson = {"content-type": "application/x-ndjson"}
    desk.ask("police", "POST", "/events/batch?all_or_none=true", content=b"\n".join(lines), headers=ndjson)
    opened = desk.ask("police", "POST", "/stocktakes", json={"storage_location": BEING_COUNTED})["stocktake_id"]
    scans = [{"code": "disk"}, {"code": "x-18"}, {"code": "phone", "seal_number": "FY-13-7"}]
    desk.ask("police", "POST", f"/stocktakes/{opened}/scans", json={"scans": scans})
    desk.ask("police-chief", "POST", f"/stocktakes/{opened}/scans", json={"scans": [{"code": "knife"}]})
    desk.ask("police", "DELETE", f"/stocktakes/{opened}/scans/2")


def _are_done(checks: list[FileCheck], *outcomes: str) -> bool:
    return all(check.outcome is not None for check in checks) and {*outcomes} <= {check.outcome for check in checks}


def _count_gone(checks: list[FileCheck]) -> int:
    return sum(check.outcome == "gone" for check in checks)


def _await(parts: Parts, until: str, is_so: Callable[[list[FileCheck]], bool]) -> None:
    """Wait until it is so of the checks of all files."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        with parts.database.read() as connection:
            checks = [check for item_id in _FILES for check in evidence_files.checks_of(connection, CASE, item_id)]
        if is_so(checks):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {WITHIN_S} s: {until}: {checks}")
        time.sleep(0.2)
