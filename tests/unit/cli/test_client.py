"""The client against a service that misbehaves: what is tried again, what is told, what is kept."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
import stamina
from msgspec.structs import replace

from ledger.cli.commands import item_files
from ledger.cli.commands.item_files import TakenFile
from ledger.cli.errors import Exit
from ledger.client.events import require_receipt
from ledger.client.officer import AsyncOfficerClient, Officer, OfficerClient
from ledger.client.service import ATTEMPTS, AsyncServiceClient, ServiceClient, path_of
from ledger.config.keys import open_keystore
from ledger.core.errors import (
    Conflict,
    IntegrityBroken,
    MalformedInput,
    NotFound,
    RuleRefused,
    TallystickError,
    Unauthorized,
    Unavailable,
)
from ledger.core.events import decode_payload, decode_submission
from ledger.core.log.notes import SeedSigner
from ledger.core.trust.trust_file import TrustedBlock, encode_trust, parse_trust
from ledger.i18n import LANGUAGES, translate
from tests.campaigns.malicious_log.service import filler, receipt
from tests.testkit.builders import LOG_ID, POLICE, SignedEvent, clerk
from tests.testkit.bundles import founded, trust
from tests.testkit.casework import Case
from tests.testkit.faulty_service import Answer, Asked, FaultyService, faulty_service, problem
from tests.testkit.ledgers import LOG_SIGNER, ORIGIN, open_ledger, sqlite_url
from tests.testkit.machine import REPOSITORY, free_port
from tests.testkit.tally import PASSPHRASE, Tally
from tests.unit.cli.world import World, holder, open_case

RECORDED = Answer(201, b"receipt")  # stands for the receipt of what was sent
HEAD = "sha256:" + "ab" * 32


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retries wait for nothing in these tests."""
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield


def in_turn(*answers: Answer) -> Callable[[Asked], Answer]:
    """Each answer once, the last one from then on."""
    left = list(answers)
    return lambda _asked: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("fault", [problem(503), problem(429), problem(500), problem(502), Answer(hang_up=True)])
def test_passing_faults_are_tried_again(fault: Answer) -> None:
    """A busy, failing or vanishing service is asked again until it answers."""
    with (
        faulty_service(in_turn(fault, fault, Answer(body=b'{"size":1}'))) as faulty,
        ServiceClient(faulty.url) as service,
    ):
        assert service.get("/api/v1/log") == {"size": 1}
        assert len(faulty.asked) == 3


@pytest.mark.parametrize(
    ("answer", "expected", "asked"),
    [
        (problem(400, "because"), MalformedInput, 1),
        (problem(401, "because"), Unauthorized, 1),
        (problem(403, "because"), Unauthorized, 1),
        (problem(404, "because"), NotFound, 1),
        (problem(409, "because", head=HEAD, sequence=4), Conflict, 1),
        (problem(413, "because"), MalformedInput, 1),
        (problem(422, "because"), RuleRefused, 1),
        (problem(500, "integrity_broken"), IntegrityBroken, 1),  # no fault that passes
        (problem(503, "service_busy"), Unavailable, ATTEMPTS),
        (Answer(503, b"{}", {"Retry-After": "3600"}), Unavailable, 1),  # longer than anybody waits
        *(
            (Answer(status, b"<html>no</html>"), Unavailable, 1) for status in (400, 401, 403, 404, 409, 413)
        ),  # of a proxy
        (Answer(403, b'{"status":403,"code":"blocked"}'), Unavailable, 1),
        (Answer(403, b'{"status":404,"code":"not_found","detail":"of another"}'), Unavailable, 1),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), Unavailable, 1),  # a token is not carried elsewhere
        *((Answer(body=body), Unavailable, 1) for body in (b"<html>", b"", b"\xff", b"[" * 3000)),
    ],
)
def test_answers_are_the_errors_that_they_stand_for(
    answer: Answer, expected: type[TallystickError], asked: int
) -> None:
    """Each status with code, field and hint of its problem document; only what may pass is asked again."""
    with faulty_service(in_turn(answer)) as faulty, ServiceClient(faulty.url) as service:
        with pytest.raises(expected) as refused:
            service.get("/api/v1/cases/case-1")
        assert len(faulty.asked) == asked
    error = refused.value
    if b"it is not to be" in answer.body:
        code = json.loads(answer.body)["code"]
        assert (error.message, error.code, error.field, error.hint) == ("it is not to be", code, "f", "h")
    elif answer.status < 500:
        assert error.code == "service_garbled"
    if isinstance(error, Conflict):
        assert (error.head, error.sequence) == (HEAD, 4)


def test_nobody_there() -> None:
    """A service that is not there is out of reach."""
    with ServiceClient(f"http://127.0.0.1:{free_port()}") as service, pytest.raises(Unavailable) as refused:
        service.get("/api/v1/log")
    assert (refused.value.code, "tally doctor" in str(refused.value.hint)) == ("service_unreachable", True)


def test_pages_are_read_to_the_end() -> None:
    """`next` of one page is `after` of the following one."""
    pages = in_turn(Answer(body=b'{"cases":[1,2],"next":"c"}'), Answer(body=b'{"cases":[3]}'))
    with faulty_service(pages) as faulty, ServiceClient(faulty.url) as service:
        assert list(service.pages("/api/v1/cases", "cases", stage="trial", responsible=None)) == [1, 2, 3]
        assert [asked.path for asked in faulty.asked] == [
            "/api/v1/cases?stage=trial",
            "/api/v1/cases?after=c&stage=trial",
        ]


def test_ids_stay_one_segment_of_the_path() -> None:
    """An id with slashes or dots names nothing else than what it is."""
    assert path_of("/api/v1/cases/{}/head", "../log") == "/api/v1/cases/..%2Flog/head"


# -- the awaiting client -----------------------------------------------------------------------------------------------


def test_both_clients_have_the_same_methods() -> None:
    """What the one blocks for is awaited of the other."""
    for blocking, awaiting in ((ServiceClient, AsyncServiceClient), (OfficerClient, AsyncOfficerClient)):
        names = {name for name in dir(blocking) if not name.startswith("_")}
        assert names == {name for name in dir(awaiting) if not name.startswith("_")}


def test_the_awaiting_client_tries_again_reads_pages_and_downloads() -> None:
    """As the blocking one: the exchanges are the same."""
    answers = in_turn(
        problem(503),
        Answer(body=b'{"cases":[1,2],"next":"c"}'),
        Answer(body=b'{"cases":[3]}'),
        Answer(body=b"a file"),
        problem(404, "because"),
    )

    async def ask(url: str) -> tuple[list[int], bytes]:
        async with AsyncServiceClient(url) as service:
            rows, file = [row async for row in service.pages("/api/v1/cases", "cases")], io.BytesIO()
            await service.download("/api/v1/cases/case-1/archive", file)
            with pytest.raises(NotFound):
                await service.get("/api/v1/cases/case-1")
            return rows, file.getvalue()

    with faulty_service(answers) as faulty:
        assert asyncio.run(ask(faulty.url)) == ([1, 2, 3], b"a file")
        assert len(faulty.asked) == 5
    with pytest.raises(Unavailable):
        asyncio.run(ask(f"http://127.0.0.1:{free_port()}"))


def test_a_download_that_is_refused_or_cut_off_is_told_and_not_begun_anew() -> None:
    """A problem is raised as one; nothing is written twice into the file."""
    file = io.BytesIO()
    with faulty_service(in_turn(problem(403, "because"))) as faulty, ServiceClient(faulty.url) as service:
        with pytest.raises(Unauthorized):
            service.download("/api/v1/cases/case-1/archive", file)
        faulty.script = in_turn(Answer(hang_up=True))
        with pytest.raises(Unavailable):
            service.download("/api/v1/cases/case-1/archive", file)
        assert (len(faulty.asked), file.getvalue()) == (2, b"")


def test_the_quick_start_of_the_client_offers_and_accepts(world: World, tmp_path: Path) -> None:
    """By the blocking and the awaiting client, on a service; receipts and proof are verified by the trust file."""
    case_id, trust_file = open_case(world, items=1), tmp_path / "trust.json"
    world.ok("log", "trust", "--output", trust_file)
    keys = world.tally.config / "keys"
    done = subprocess.run(
        [sys.executable, "client.py", world.url, case_id, f"{case_id}-i1", trust_file],
        cwd=REPOSITORY / "examples" / "quick-start",
        env={
            "PYTHONPATH": str(REPOSITORY),
            "PASSPHRASE": PASSPHRASE,
            "SENDER": "police-east/p-0417",
            "SENDER_KEY": str(keys / "police.json"),
            "RECEIVER": "procuratorate-east/j-0021",
            "RECEIVER_KEY": str(keys / "prosecutor.json"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    statuses, verdict = done.stdout.splitlines()
    assert "accepted" in statuses
    assert verdict in ("intact", "not_yet_anchored", "unverifiable")
    assert holder(world, f"{case_id}-i1") == "procuratorate-east"
    payloads = [event["payload"] for event in world.ok("event", "list", case_id)[-2:]]
    assert payloads[0]["occurred_at"] <= payloads[1]["body"]["received_at"], "received before it was offered"


def test_the_client_of_an_officer_records_together(world: World, tmp_path: Path) -> None:
    """Each event is signed behind the one before it; if one is refused none is recorded."""
    case_id, trust_file = open_case(world), tmp_path / "trust.json"
    world.ok("log", "trust", "--output", trust_file)
    signer = open_keystore(world.tally.config / "keys" / "police.json", PASSPHRASE)
    officer = Officer("police-east", "p-0417", signer)
    with OfficerClient(world.url, officer, parse_trust(trust_file.read_bytes())) as client:
        numbered = [("case.numbered", {"case_number": number}) for number in ("2026-1", "2026-2", "2026-3")]
        first, second = client.record_together(case_id, numbered[:2])
        assert second["index"] == first["index"] + 1
        with pytest.raises(MalformedInput):
            client.record_together(case_id, [numbered[2], ("case.numbered", {"case_number": ""})])
        with pytest.raises(RuleRefused):
            client.record_together(
                case_id, [numbered[2], ("handover.recalled", {"handover_id": "handover-9", "ground": "lost"})]
            )
        case = client.get(path_of("/api/v1/cases/{}", case_id))
    assert case["case_number"] == "2026-2"


# -- submissions -------------------------------------------------------------------------------------------------------


def receipt_of(submission: bytes) -> bytes:
    """Encode the receipt of an event that is entry 7 of a log."""
    sent = decode_submission(submission)
    log = filler(founded(), 7)
    log.add(SignedEvent(sent.envelope, decode_payload(sent.payload_bytes, sent.event.event_type)))
    return json.dumps(receipt(log, 7)).encode()


class Counter:
    """A service's part in a submission: tells log and head, answers posts by ``posts``."""

    def __init__(self, *posts: Answer):
        self._posts = in_turn(*posts)

    def __call__(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            answer = self._posts(asked)
            return Answer(201, receipt_of(asked.body)) if answer is RECORDED else answer
        if asked.path == "/api/v1/log":
            return Answer(body=json.dumps({"log_id": "0x" + LOG_ID.hex()}).encode())
        return Answer(body=json.dumps({"head": HEAD, "sequence": 3}).encode())


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ((), Exit.REFUSED),
        (("--block", "12"), Exit.REFUSED),
        (("--block", "latest-final"), Exit.REFUSED),
        (("--block", "12", "--block", "0013"), Exit.OK),
        (("--block", "12", "--block", "latest-final"), Exit.OK),
    ],
)
def test_no_block_is_trusted_that_nobody_asked_for(tally: Tally, asked: tuple[str, ...], status: Exit) -> None:
    """A service could name blocks of its own as final, and the digest that agencies compare says nothing of them."""
    blocks = [TrustedBlock(number, "0x" + f"{number:02}" * 32) for number in (12, 13)]
    served = encode_trust(trust().naming(trust().chains[0], blocks))
    with faulty_service(in_turn(Answer(body=served))) as faulty:
        tally.new_key("clerk")
        tally.add_profile("police", faulty.url, "police-east", "p-0417", "clerk")
        done = tally("log", "trust", *asked, "--pin")
    assert done.status == status, done.err
    pinned = tally.config / "profiles" / "police" / "trust.json"
    assert pinned.exists() == (status == Exit.OK)


def test_no_pinned_trust_file_is_replaced_without_a_word(tally: Tally) -> None:
    """A service could name a quorum of its own: another file is pinned by those who say so, and the old one is kept."""
    first, second = trust(), replace(trust(), suites=(*trust().suites, trust().suites[-1] + 1))
    served = [Answer(body=encode_trust(each)) for each in (first, first, second, second)]
    with faulty_service(in_turn(*served)) as faulty:
        tally.new_key("clerk")
        tally.add_profile("police", faulty.url, "police-east", "p-0417", "clerk")
        pinned = tally.config / "profiles" / "police" / "trust.json"
        for _ in range(2):
            tally.ok("log", "trust", "--pin")
        done = tally("log", "trust", "--pin")
        assert (done.status, pinned.read_bytes()) == (Exit.REFUSED, encode_trust(first))
        assert "suites: [" in done.err
        assert "tally trust accept" in done.err
        tally.ok("log", "trust", "--pin", "--replace")
    assert pinned.read_bytes() == encode_trust(second)
    (kept,) = pinned.parent.glob("trust-*.json")
    assert kept.read_bytes() == encode_trust(first)


def posted(faulty: FaultyService) -> list[bytes]:
    """List the submissions that arrived."""
    return [asked.body for asked in faulty.asked if asked.method == "POST"]


def number(tally: Tally, faulty: FaultyService) -> Any:
    """Give a case its number, as a clerk."""
    tally.new_key("clerk")
    tally.add_profile("police", faulty.url, "police-east", "p-0417", "clerk")
    return tally("--json", "case", "number", "case-1", "A-2")


def outbox(tally: Tally) -> list[Path]:
    """List what waits to be sent."""
    return list((tally.config / "profiles" / "police" / "outbox").glob("*.json"))


def test_unknown_outcome_is_looked_up_with_the_same_bytes(tally: Tally) -> None:
    """A connection that breaks is followed by the very same submission, and the stored receipt is the answer."""
    script = Counter(Answer(hang_up=True), RECORDED)
    with faulty_service(script) as faulty:
        done = number(tally, faulty)
    assert done.status == 0, done.err
    assert done.json()["index"] == 7
    first, second = posted(faulty)
    assert first == second
    assert outbox(tally) == []


@pytest.mark.parametrize(
    "posts",
    [
        [Answer(hang_up=True)],
        [Answer(hang_up=True), Answer(403, b"<html>403 Forbidden</html>", {"Content-Type": "text/html"})],
        [Answer(401, b"<html>Who are you?</html>")],
        [Answer(413, b"<html>Too large</html>")],
    ],
)
def test_outcome_that_stays_unknown_is_kept(tally: Tally, posts: list[Answer]) -> None:
    """When the service stays away, or a proxy answers for it, the event waits in the outbox, and the message says how
    to send it again."""
    with faulty_service(Counter(*posts)) as faulty:
        done = number(tally, faulty)
        (kept,) = outbox(tally)
        assert done.status == Exit.UNREACHABLE
        assert f"tally event submit {kept}" in json.loads(done.err)["error"]["hint"]
        assert kept.stat().st_mode & 0o777 == 0o600
        before = posted(faulty)[0]
        faulty.script = Counter(RECORDED)
        again = tally("--json", "event", "submit", kept)
        assert (again.status, again.json()["index"]) == (0, 7)
        assert posted(faulty)[-1] == before
    assert outbox(tally) == []


def test_events_go_together_and_wait_together(tally: Tally) -> None:
    """All are one request; while its outcome is unknown each is kept, and the message says how to send them again."""
    tally.new_key("clerk")
    events = Case().open().register("phone").events
    receipts = [{"status": 201, "receipt": json.loads(receipt_of(event.submission))} for event in events]
    with faulty_service(Counter(Answer(hang_up=True))) as faulty:
        tally.add_profile("police", faulty.url, "police-east", "p-0417", "clerk")
        files = [tally.config / f"{place}.json" for place in range(2)]
        for file, event in zip(files, events, strict=True):
            file.write_bytes(event.submission)
        done = tally("--json", "event", "submit", "--all-or-none", *files)
        assert done.status == Exit.UNREACHABLE
        assert f"--all-or-none {files[0]} {files[1]}" in json.loads(done.err)["error"]["hint"]
        assert all(file.exists() for file in files)
        faulty.script = Counter(Answer(201, json.dumps({"results": receipts}).encode()))
        assert tally("--json", "event", "submit", "--all-or-none", *files).status == 0
        assert faulty.asked[-1].path == "/api/v1/events/batch?all_or_none=true"
        assert faulty.asked[-1].body == b"\n".join(event.submission for event in events)


def test_refused_event_does_not_wait(tally: Tally) -> None:
    """A refusal is an outcome: nothing is kept, nothing is sent again, the option is blamed."""
    refusal = problem(422, "not_held", field="payload.body.case_number")
    with faulty_service(Counter(refusal)) as faulty:
        done = number(tally, faulty)
        assert len(posted(faulty)) == 1
    assert done.status == Exit.REFUSED
    error = json.loads(done.err)["error"]
    assert (error["code"], error["field"]) == ("not_held", "CASE_NUMBER")
    assert outbox(tally) == []


@pytest.mark.parametrize("together", [(), ("--all-or-none",)])
def test_files_of_the_user_stay(tally: Tally, together: tuple[str, ...]) -> None:
    """What was recorded or refused is sent on, or mended, by whoever signed it into a file of his own."""
    tally.new_key("clerk")
    (event,) = Case().open().events
    file = tally.folder / "signed.json"
    file.write_bytes(event.submission)
    results = {"results": [{"status": 201, "receipt": json.loads(receipt_of(event.submission))}]}
    recorded = Answer(201, json.dumps(results).encode()) if together else RECORDED
    with faulty_service(Counter(recorded, problem(422, "not_held"))) as faulty:
        tally.add_profile("police", faulty.url, "police-east", "p-0417", "clerk")
        for status in (Exit.OK, Exit.REFUSED):
            assert tally("event", "submit", *together, file).status == status
            assert file.read_bytes() == event.submission


def test_an_event_that_a_broken_log_may_have_is_kept(tally: Tally) -> None:
    """A service that finds its own log broken does not say whether it recorded the event."""
    with faulty_service(Counter(problem(500, "integrity_broken"))) as faulty:
        assert number(tally, faulty).status == Exit.REFUSED
    assert len(outbox(tally)) == 1


UNKNOWN = Answer(hang_up=True)


@pytest.mark.parametrize(
    ("posts", "status", "stays"),
    [
        ([*[UNKNOWN] * ATTEMPTS, RECORDED], Exit.OK, True),
        ([UNKNOWN], Exit.UNREACHABLE, True),
        ([problem(422, "not_held")], Exit.REFUSED, False),
        ([*[UNKNOWN] * ATTEMPTS, problem(422, "not_held")], Exit.REFUSED, False),
    ],
)
def test_a_working_copy_stays_unless_nothing_is_recorded_of_it(
    tally: Tally, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posts: list[Answer], status: Exit, stays: bool
) -> None:
    """Where the outcome is unknown it is looked up, and where that cannot be the copy stays, as the event does."""
    copied = tmp_path / "copy.dd"
    digest = f"sha256:{sha256(b'evidence').hexdigest()}"

    def take(*_: object, output: Path, **__: object) -> TakenFile:
        output.write_bytes(b"evidence")
        return TakenFile(str(output), 8, digest, "intact", "disk")

    monkeypatch.setattr(item_files, "_take", take)
    tally.new_key("clerk")
    with faulty_service(Counter(*posts)) as faulty:
        tally.add_profile("police", faulty.url, "police-east", "p-0417", "clerk")
        done = tally("item", "copy", "case-1", "disk", "--for", "lab", "-o", copied)
    assert done.status == status, done.err
    assert copied.exists() == stays
    assert len(outbox(tally)) == (status == Exit.UNREACHABLE)
    assert (str(copied) in done.err) == (status == Exit.UNREACHABLE)


COPYING = """
import sys
from pathlib import Path
from ledger.cli.commands import item_files
from ledger.cli.main import run

def take(*_, output, **__):
    output.write_bytes(b"evidence")
    return item_files.TakenFile(str(output), 8, sys.argv[2], "intact", "disk")

item_files._take = take
sys.exit(run(["--yes", "item", "copy", "case-1", "disk", "--for", "lab", "-o", sys.argv[1]]))
"""


def test_a_working_copy_that_is_recorded_stays_whoever_reads_the_receipt(tally: Tally, tmp_path: Path) -> None:
    """The receipt is printed into a pipe that nobody reads: the record tells of the copy all the same."""
    copied = tmp_path / "copy.dd"
    tally.new_key("clerk")
    reading, writing = os.pipe()
    os.close(reading)
    with faulty_service(Counter(RECORDED)) as faulty, os.fdopen(writing, "wb") as cut_off:
        tally.add_profile("police", faulty.url, "police-east", "p-0417", "clerk")
        done = subprocess.run(
            [sys.executable, "-c", COPYING, copied, f"sha256:{sha256(b'evidence').hexdigest()}"],
            stdout=cut_off,
            stderr=subprocess.PIPE,
            env=os.environ | tally.environment(),
        )
        assert len(posted(faulty)) == 1
    assert done.returncode == Exit.CUT_OFF, done.stderr
    assert copied.read_bytes() == b"evidence"


def test_event_is_signed_anew_where_others_wrote_meanwhile(tally: Tally) -> None:
    """Not on the head: the same act is signed on the head that the refusal names, as a new event."""
    moved = problem(409, "not_on_head", head="sha256:" + "cd" * 32, sequence=5)
    with faulty_service(Counter(moved, RECORDED)) as faulty:
        assert number(tally, faulty).status == 0
        first, second = (decode_submission(data).event for data in posted(faulty))
    assert (first.sequence, second.sequence) == (3, 5)
    assert second.previous == "sha256:" + "cd" * 32
    assert (first.body, first.event_id != second.event_id) == (second.body, True)


def test_other_conflicts_are_final(tally: Tally) -> None:
    """An id that is taken by another event is no reason to try again."""
    with faulty_service(Counter(problem(409, "id_taken"))) as faulty:
        assert number(tally, faulty).status == Exit.REFUSED
        assert len(posted(faulty)) == 1


def test_ledger_is_pinned(tally: Tally) -> None:
    """The ledger that a profile once signed for is the one it signs for, whatever the service says later."""
    with faulty_service(Counter(RECORDED)) as faulty:
        number(tally, faulty)
        assert tally.ok("profile", "show")["log_id"] == "0x" + LOG_ID.hex()
        tally.ok("case", "number", "case-1", "A-3")
        assert [asked.path for asked in faulty.asked].count("/api/v1/log") == 1


def test_receipt_by_a_new_key_names_the_renewal(tmp_path: Path) -> None:
    """Whoever has the trust file of before the log's key was replaced is told to take the renewal, in both languages;
    by the new trust file the same receipt is good."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        event = Case().open().last
        receipt = msgspec.to_builtins(ledger.found(clerk(POLICE)).post(event))
    before = SeedSigner.from_seed(ORIGIN, bytes(32))
    with pytest.raises(IntegrityBroken) as caught:
        require_receipt(receipt, event.submission, trust(log_key=before.verifying_key))
    assert caught.value.hint is not None
    for language in LANGUAGES:
        assert "tally trust accept" in translate(caught.value.hint, language)
    assert translate(caught.value.hint, "zh-CN") != caught.value.hint
    tree_head = require_receipt(receipt, event.submission, trust(log_key=LOG_SIGNER.verifying_key)).head
    assert tree_head.size > receipt["index"]
