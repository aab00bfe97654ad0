"""Bad JSON and bad HTTP: each is refused with a problem that names the field, and nothing is recorded."""

from __future__ import annotations

import re
import time

import pytest

from api.middleware.request_limits import require_text
from tests.api.console.pages import OWN, post
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, PROCURATORATE, clerk, refused_at, supervisor
from tests.testkit.casework import Case

EVENTS = "/api/v1/events"
GOOD = Case("case-bad").open().last.submission
KEY = b'"case_number":"2026-0417"'


def swapped(old: bytes, new: bytes) -> bytes:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


# One of each kind; ``tests/unit/core/test_canonical.py`` and ``test_signature.py`` have them all.
BODIES = {
    "duplicate key": swapped(KEY, KEY + b"," + KEY),
    "unknown key": swapped(KEY, KEY + b',"colour":"red"'),
    "nested in a field": swapped(KEY, b'"case_number":' + b"[" * 100_000),
    "invalid UTF-8": swapped(KEY, b'"case_number":"\xff"'),
    "nothing": b"",
    "injection": GOOD.replace(b'"id":"case-bad"', b'"id":"x\'; DROP TABLE entries;--"'),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_not_the_one_spelling_of_a_submission_is_refused(shared: Served, body: bytes) -> None:
    """400, with the field where there is one, and the log stays as it is."""
    size = shared.size()
    answer = shared.post(EVENTS, body)
    problem(answer, 400, answer.json()["code"], answer.json().get("field"))
    assert shared.size() == size


@pytest.mark.parametrize(
    ("content_type", "status", "field"),
    [
        ("", 415, "Content-Type"),
        ("text/plain", 415, "Content-Type"),
        ("application/json; charset=utf-16", 415, "Content-Type"),
        ("application/json;" + "a=b;" * 2000 + "x", 415, "Content-Type"),
        ("application/x-ndjson", 415, "Content-Type"),
        ("Application/JSON; charset=UTF-8", 400, "envelope"),
    ],
)
def test_the_content_type_is_json(shared: Served, content_type: str, status: int, field: str) -> None:
    """415 whatever the body is; what means the same is taken, and the body is looked at."""
    answer = shared.request("POST", EVENTS, content=b"{}", headers={"content-type": content_type})
    problem(answer, status, "malformed_input" if status == 400 else "unsupported_media_type", field)


def test_a_body_comes_without_an_encoding(shared: Served) -> None:
    """Packed bytes are no JSON: the refusal names the header, not a byte of them."""
    problem(shared.post(EVENTS, b"{}", content_encoding="gzip"), 415, "unsupported_media_type", "Content-Encoding")
    for encoding in ("identity", ""):
        problem(shared.post(EVENTS, b"{}", content_encoding=encoding), 400, "malformed_input", "envelope")


def test_a_query_is_text_in_utf_8(shared: Served) -> None:
    """What is none would be looked for as other characters than were sent, and not be there."""
    answer = shared.request("GET", "/api/v1/search?limit=1&q=%ED%A0%80ab", headers=shared.token(clerk(PROCURATORATE)))
    assert problem(answer, 400, "malformed_input", "q")["detail"] == "expected text in UTF-8"


def test_many_fields_of_a_form_hold_up_no_other_request() -> None:
    """They are read at once, and only the one that is no text is looked for, past each & that a value has."""
    begun = time.process_time()
    require_text(b"%41" + b"&" * 2**20)
    for text, why in ((b"%ff", "UTF-8"), (b"\xff", "UTF-8"), (b"%00", "NUL"), (b"\0", "NUL")):
        with refused_at("n&", match=why):
            require_text(b"a%26=%26%2526&" + b"&" * 2**20 + b"n%26=" + text + b"&b=c")
    assert time.process_time() - begun < 2, "a pass for each field takes a second for each of these"


def test_a_body_over_the_limit_is_refused_as_it_comes(shared: Served) -> None:
    """413 by what was received, not by what the header says; 1 MiB exactly is not too much."""

    async def pieces() -> object:
        for _ in range(20):
            yield b" " * 65_536

    answer = shared.request("POST", EVENTS, content=pieces(), headers={"content-type": "application/json"})
    problem(answer, 413, "body_too_large")
    problem(shared.post(EVENTS, b" " * 1024 * 1024), 400, "malformed_input")


# Those without a pattern. PostgreSQL takes no NUL in a text that it is asked for.
TEXTS_IN_QUERIES = (
    ("search?q", "q"),
    ("cases?number", "number"),
    ("library?model", "model"),
    ("imports?source_system", "source_system"),
    ("handovers?box=outbox&to_agency", "to_agency"),
)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/cases?limit=1000000000", "limit"),
        ("/api/v1/cases?stage=First-Instance", "stage"),
        ("/api/v1/cases/Case-1", "case_id"),
        ("/api/v1/events?case_id=" + "a" * 65, "case_id"),
        ("/api/v1/events/019CAC0F-2680-7CF2-8650-6D0903333952", "event_id"),
        ("/api/v1/handovers?box=mine", "box"),
        ("/api/v1/items/item_1", "item_id"),
        ("/api/v1/events?wait=21", "wait"),
        ("/api/v1/events?limit=1001", "limit"),
        ("/api/v1/deadlines?as_of=2026-13-45T00:00:00Z", "as_of"),
        ("/api/v1/deadlines?within_days=-1", "within_days"),
        ("/api/v1/log/inclusion/9223372036854775808", "index"),
        ("/api/v1/log/receipt/9223372036854775808", "index"),
        ("/api/v1/log/receipt/01", "index"),
        ("/api/v1/log/absence?kind=case&id=No%20slug", "id"),
        ("/api/v1/log/absence?kind=cases&id=case-1", "kind"),
        ("/api/v1/log/absence?kind=case", "id"),
        ("/api/v1/log/consistency?first=0&second=5", "first"),
        ("/api/v1/log/consistency?first=%2B3&second=5", "first"),
        *((f"/api/v1/{listed}=a%00b", name) for listed, name in TEXTS_IN_QUERIES),
        ("/console/search?q=%00", "q"),
        ("/console/cases?all=true&num%00ber=1", "num\\u0000ber"),
        ("/console/documents/a%00b", "path"),
        ("/checkpoint%00", "path"),
    ],
)
def test_a_parameter_of_another_form_is_refused(shared: Served, path: str, field: str) -> None:
    """400 that names the parameter, in our own words."""
    answer = shared.request("GET", path, headers=shared.token(clerk(PROCURATORATE)))
    assert problem(answer, 400, "malformed_input", field)["title"] == "Bad Request"


LOOK_UP = b'{"source_system":"s","rows":[%s]}'
ROW = b'{"source_key":"A","case_id":"%s"}'
KEY_ID = b'"key_id":"0x%s"'
SENDER = b'"sender":"0x%s"' % (b"ab" * 20)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("webhooks", b'{"url":"ftp://receiver.example/"}', "url"),
        ("webhooks", b"{}", "url"),
        ("webhooks", b'{"url":"https://receiver.example/","after":"x"}', "after"),
        ("webhooks", b'{"url":"https://receiver.example/","more":1}', "more"),
        ("imports/look-up", LOOK_UP % (ROW % b"No Slug"), "rows[0].case_id"),
        ("imports/look-up", LOOK_UP % b",".join([ROW % b"a"] * 501), "rows"),
        ("sign-in/challenge", b"{%s}" % (KEY_ID % (b"AB" * 20)), "key_id"),
        ("sign-in/challenge", b"{%s,%s}" % (KEY_ID % (b"ab" * 20), KEY_ID % (b"cd" * 20)), "key_id"),
        ("sign-in/challenge", b'{%s,"x":1}' % (KEY_ID % (b"ab" * 20)), "x"),
        ("sign-in/token", b'{"nonce":"a","signature":"0x00"}', "signature"),
        ("sign-in/token", b"[]", None),
        ("sign-in/token", b'{"nonce":"a\\u0000b","signature":"0x%s"}' % (b"1b" * 65), "nonce"),
        ("imports/look-up", LOOK_UP % b'{"source_key":"\\u0000","case_id":"a"}', "rows[0].source_key"),
        ("chain/transactions/prepare", b"{%s}" % SENDER, "call"),
        ("chain/transactions/prepare", b'{"sender":"0xAB","call":"0x00"}', "sender"),
        ("chain/transactions/prepare", b'{%s,"call":"0x0"}' % SENDER, "call"),
        ("chain/transactions/prepare", b'{%s,"call":"0x00","value":1}' % SENDER, "value"),
        ("chain/transactions", b'{"raw":"0x00\\n"}', "raw"),
    ],
)
def test_a_request_of_another_form_is_refused(shared: Served, path: str, body: bytes, field: str | None) -> None:
    """400 that names the field."""
    answer = shared.post(f"/api/v1/{path}", body, **shared.token(supervisor(POLICE)))
    problem(answer, 400, "cursor_refused" if field == "after" else "malformed_input", field)


def test_what_the_console_posts_has_no_nul(shared: Served) -> None:
    """A form with a NUL is refused by its field, and so is what its sign-in page sends, without a session."""
    answer = post(shared, clerk(POLICE), "/find", {"code": "a\0b"})
    assert (answer.status_code, "the character NUL" in answer.text) == (400, True), answer.text
    signed = {"nonce": "a\0b", "signature": "0x" + "1b" * 65}
    answer = shared.request("POST", "/console/sign-in", json=signed, headers=OWN)
    assert (answer.status_code, "the character NUL" in answer.text) == (400, True), answer.text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/cases/NO_SLUG", "Expected a slug of at most 64 characters: a-z, 0-9 and hyphens between them"),
        ("/api/v1/events/1", "Expected UUIDv7, lower case, for example 01940000-0000-7000-8000-000000000000"),
        ("/api/v1/handovers?box=letter", "Expected one of inbox, outbox, all"),
        ("/api/v1/search?q=x", "Expected at least 2 characters"),
        ("/api/v1/deadlines?within_days=soon", "Expected a whole number"),
        ("/api/v1/deadlines?within_days=-1", "Expected a number >= 0"),
        ("/api/v1/deadlines?mine=maybe", "Expected true or false"),
        (
            "/api/v1/report?since=2026-01-01&until=tomorrow",
            "Expected calendar date, in the time zone of the procedure, for example 2026-03-01",
        ),
    ],
)
def test_what_a_parameter_should_have_been_is_said_in_words(shared: Served, path: str, expected: str) -> None:
    """Nobody has to read a pattern, or to guess which words there are."""
    answer = shared.request("GET", path, headers=shared.token(clerk(PROCURATORATE)))
    text = path.replace("=", "/").rpartition("/")[2]
    assert answer.json()["detail"] == f"{expected}, not {text!r}"
    headers = shared.token(clerk(PROCURATORATE)) | {"Accept-Language": "zh-CN"}
    chinese = shared.request("GET", path, headers=headers).json()["detail"]
    assert not re.search("[a-z]{3,} [a-z]", chinese), chinese


@pytest.mark.parametrize("path", ["/../etc/passwd", "/docs/..%2fapp.py", "/api/v2/cases"])
def test_an_unknown_address_is_a_problem_too(shared: Served, path: str) -> None:
    """404 as a problem document; nothing is looked for in the file system."""
    problem(shared.request("GET", path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/v1/events"),
        ("PUT", "/api/v1/cases/case-1"),
        ("POST", "/checkpoint"),
        ("GET", "/api/v1/events/batch"),
    ],
)
def test_a_method_that_is_not_taken_is_a_problem_too(shared: Served, method: str, path: str) -> None:
    """405, or 400 where the address means something else for that method."""
    answer = shared.request(method, path, headers=shared.token(clerk(PROCURATORATE)))
    assert answer.status_code in (400, 405)
    problem(answer, answer.status_code, answer.json()["code"], answer.json().get("field"))


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/events", "GET, HEAD, POST"),
        ("/api/v1/webhooks", "GET, HEAD, POST"),
        ("/api/v1/handovers", "GET, HEAD, POST"),
        ("/api/v1/drafts", "POST"),
    ],
)
def test_a_405_names_all_methods_of_the_address(shared: Served, path: str, methods: str) -> None:
    """Also those of other routes and of no router, and HEAD wherever there is GET (RFC 9110, 10.2.1)."""
    assert shared.request("PATCH", path).headers["allow"] == methods


@pytest.mark.parametrize(
    ("path", "field", "expected"),
    [
        (
            "/cases/case-1/persons/5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f/history?on=2026-13-01",
            "on",
            "a day or a time, for example 2026-03-01",
        ),
        ("/log/inclusion/x", "index", "a whole number, for example 17"),
        ("/cases?after=17", "after", "`next` of the page before, as it is"),
        ("/webhooks/7", "webhook_id", "the id of a webhook, for example webhook-0123456789abcdef"),
    ],
)
def test_a_parameter_is_expected_in_words(shared: Served, path: str, field: str, expected: str) -> None:
    """Not by the pattern that it has to match."""
    method, token = "DELETE" if field == "webhook_id" else "GET", shared.token(supervisor(PROCURATORATE))
    refused = problem(shared.request(method, f"/api/v1{path}", headers=token), 400, "malformed_input", field)
    assert refused["detail"].startswith(f"Expected {expected}, not ")


def test_a_parameter_that_no_route_takes_is_refused(shared: Served) -> None:
    """A misspelt filter would show everything as if it were filtered: the problem names it, and what is taken."""
    answer = shared.get("/api/v1/deadlines?within_day=7", clerk(PROCURATORATE))
    assert "within_days" in problem(answer, 400, "malformed_input", "within_day")["detail"]
