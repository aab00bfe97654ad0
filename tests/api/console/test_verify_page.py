"""Checking a proof in the browser, without an account: the service is stopped before anything is dropped."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from api.app import create_app
from ledger.config.settings import Settings
from ledger.core.encoding import canonical
from ledger.core.events.item import ItemExamined
from ledger.core.events.terms import MatchResult
from ledger.core.trust.trust_file import encode_trust
from ledger.core.verification.bundle import encode_bundle
from ledger.interchange.papers.sheet import link
from ledger.interchange.papers.typeset import typeset
from tests.api.conftest import Trusted, no_chain, parts_of
from tests.api.console.desk import axe_findings, drop, too_wide
from tests.api.service import listening_at
from tests.testkit.builders import LOG_ID, POLICE, PROCURATORATE, clerk, section
from tests.testkit.bundles import log_with, naming, tree
from tests.testkit.casework import Case, registration
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.testkit.machine import REPOSITORY, free_port
from tests.unit.interchange.test_certificate import OF_EVENT, certified_as
from tests.unit.interchange.test_certificate import TRUST as CERTIFIED_BY

EXAMPLES = REPOSITORY / "docs" / "examples"
LOG = "0x" + LOG_ID.hex()
FILE = b"the copy of the telephone"
CASE = (
    Case()
    .open()
    .act(
        registration("phone", digests=("blake3:" + blake3(FILE).hexdigest(),)),
        sections={"narrative": section()},
    )
    .offer("phone", to=PROCURATORATE)
    .accept()
)
BUNDLES = log_with(CASE, POLICE, PROCURATORATE)
FIRST = next(at for at, event in enumerate(BUNDLES.events) if event.envelope.stream.id == "case-1")
OF_TESTS = {"trust__json": encode_trust(naming(BUNDLES.bundle(FIRST)))}


@dataclass
class Visitor:
    """Somebody at the verify page, whose server is gone; ``asked`` are the requests since the page was there."""

    page: Page
    asked: list[str]

    def drop(self, **files: bytes) -> None:
        """Drop files of these names, as a mouse does."""
        drop(self.page.locator("[data-verify]"), **files)

    def verdict(self) -> str:
        expect(self.page.locator("#verdict")).to_be_visible()
        expect(self.page.locator("#state")).to_have_text("")
        return (self.page.locator("#verdict").get_attribute("class") or "").removeprefix("verdict ")

    def steps(self) -> list[str]:
        """Return checked, failed or not checked, of each step in order."""
        states = self.page.locator("#steps > li > .state")
        return [(state.get_attribute("class") or "").removeprefix("state ") for state in states.all()]


@contextmanager
def verify_page(folder: Path, browser: Browser, **options: Any) -> Iterator[tuple[Page, str, Callable[[], None]]]:
    """Yield an empty window, the address of a service that runs, and what ends the service."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        context = browser.new_context(**({"locale": "en", "viewport": {"width": 1280, "height": 900}} | options))
        stack.callback(context.close)
        service = stack.enter_context(ExitStack())
        ledger = service.enter_context(open_ledger(sqlite_url(folder)))
        ledger.found(clerk(POLICE))
        app = create_app(parts_of(ledger, no_chain, Settings(public_url=url)), write_log=lambda *_, **__: None)
        service.enter_context(listening_at(port, app))
        yield context.new_page(), url, service.close


@contextmanager
def visiting(folder: Path, browser: Browser, fragment: str = "", **options: Any) -> Iterator[Visitor]:
    """Yield the page of a service that ended once the page was there; the machine has no network any more either."""
    asked: list[str] = []
    wrong: list[str] = []
    with verify_page(folder, browser, **options) as (page, url, end_service):
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{url}/verify{fragment}")
        expect(page.locator("[data-verify][data-ready]")).to_be_attached()
        page.wait_for_load_state("networkidle")
        end_service()
        page.context.set_offline(True)
        page.on("request", lambda request: asked.append(request.url))
        yield Visitor(page, asked)
        assert (asked, wrong) == ([], [])


@pytest.fixture
def visitor(tmp_path: Path, browser: Browser) -> Iterator[Visitor]:
    with visiting(tmp_path, browser) as new_visitor:
        yield new_visitor


def of_case(bundle: Any) -> list[Any]:
    """The entries of the case in its bundle."""
    return [entry for entry in bundle["entries"] if entry["envelope"]["stream"]["kind"] == "case"]


def encoded(value: Any) -> bytes:
    return canonical.encode(value)


REGISTERED = tree(BUNDLES.bundle(FIRST + 1))
WHOLE_CASE = encoded(tree(BUNDLES.case_bundle()))


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_example_is_intact(tmp_path: Path, browser: Browser, language: str, width: int) -> None:
    """All twelve steps are checked, each said in words; the page is for everybody, on a phone too."""
    viewport = {"width": width, "height": 844}
    with visiting(tmp_path, browser, locale=language, viewport=viewport) as visitor:
        page = visitor.page
        assert (axe_findings(page), too_wide(page)) == ([], [])
        page.locator("#dropped").set_input_files([EXAMPLES / "bundle.json", EXAMPLES / "trust.json"])
        expect(page.locator("#trusted-by")).to_contain_text("trust.json")
        expect(page.locator("#trusted-by")).to_contain_text("sha256:995ee9f8")
        assert (visitor.verdict(), visitor.steps()) == ("intact", ["checked"] * 12)
        expect(page.locator("#verdict")).to_be_focused()
        expect(page.locator("#verdict")).to_have_text({"en": "intact", "zh-CN": "未经改动"}[language])
        expect(page.locator("#steps > li").nth(5)).to_contain_text({"en": "signed by 0x", "zh-CN": "由 0x"}[language])
        expect(page.locator("#steps > li").last).to_contain_text("2026-01-01 08:00:06")
        page.locator("#content summary").click()
        expect(page.locator("#content dl")).to_contain_text("event_type")
        assert (axe_findings(page), too_wide(page)) == ([], [])


def test_what_the_verdict_does_not_say_stands_beside_it(tmp_path: Path, browser: Browser) -> None:
    """Integrity, conformity and completeness are three statements, of one event and of a case whose end is open."""
    with visiting(tmp_path, browser, locale="zh-CN") as visitor:
        lines = visitor.page.locator("#statements > li")
        visitor.drop(**OF_TESTS, bundle__json=encoded(REGISTERED))
        expect(lines).to_have_count(2)
        for text in ("行为依保管规则是否可成立", "未核验", "本核验程序不核验事件是否符合其类型、密钥的角色可否签署"):
            expect(lines.nth(0)).to_contain_text(text)
        visitor.drop(case__json=WHOLE_CASE)
        for text in ("完备性：截至所列条目没有遗漏", "未核验", "事件 3 之后再无事件，未予证明"):
            expect(lines.nth(1)).to_contain_text(text)
        assert visitor.verdict() == "intact"
        assert axe_findings(visitor.page) == []


def test_what_a_case_does_not_show_stands_beside_its_events(visitor: Visitor) -> None:
    """Nobody needs to open each event of a long case to see that a section of it is withheld or erased."""
    case = json.loads((EXAMPLES / "case.json").read_bytes())
    for entry in case["entries"]:
        entry.pop("sections", None)
    visitor.drop(trust__json=(EXAMPLES / "trust.json").read_bytes(), case__json=encoded(case))
    expect(visitor.page.locator("summary", has_text="narrative erased")).to_have_count(1)


def test_without_a_trust_file_the_server_s_word_is_marked(visitor: Visitor) -> None:
    """What this server says of itself is used and shown, and said to be no independent proof."""
    visitor.drop(bundle__json=encoded(REGISTERED))
    expect(visitor.page.locator("#trusted-by")).to_contain_text("That is not independent")
    assert visitor.verdict() == "unverifiable"
    second = visitor.page.locator("#steps > li").nth(1)
    expect(second).to_contain_text("no line of the note is by the log's key in the trust file: the note is of another")
    assert visitor.page.locator("#server-trust").text_content() == encode_trust(Trusted.trust).decode()
    visitor.drop(**OF_TESTS)
    expect(visitor.page.locator("#trusted-by")).to_contain_text("Checked against the trust file trust.json")
    assert visitor.verdict() != "tampered"


def test_a_bundle_of_another_ledger_is_said_to_be_one(tmp_path: Path, browser: Browser) -> None:
    """Not that it was tampered with: both ledgers are named, and that this is no sign of it."""
    foreign_trust = encode_trust(replace(naming(BUNDLES.bundle(FIRST)), log_id_text="0x" + "ab" * 32))
    with visiting(tmp_path, browser, locale="zh-CN") as visitor:
        visitor.drop(trust__json=foreign_trust, bundle__json=encoded(REGISTERED))
        expect(visitor.page.locator("#verdict.other_ledger")).to_have_text("属于另一账本")
        expect(visitor.page.locator("#meaning")).to_contain_text("这既不表示有人改动过它")
        expect(visitor.page.locator("#faults")).to_contain_text("0x" + "ab" * 32)
        assert axe_findings(visitor.page) == []


def test_of_a_case_the_event_is_named(tmp_path: Path, browser: Browser) -> None:
    """Which of the events, of which type, at which step; the others hold by themselves; without one it is no case."""
    case = tree(BUNDLES.case_bundle())
    with visiting(tmp_path, browser, locale="zh-CN") as visitor:
        visitor.drop(**OF_TESTS, case__json=encoded(case))
        assert visitor.verdict() in ("unverifiable", "intact")
        events = visitor.page.locator("#events > details")
        expect(events).to_have_count(4)
        of_case(case)[1]["payload"]["body"]["description"] = "another phone"
        visitor.drop(case__json=encoded(case))
        expect(visitor.page.locator("#verdict")).to_have_text("已被篡改")
        expect(visitor.page.locator("#faults")).to_contain_text(
            "第 2/4 个事件（登记物品），步骤 7 内容：内容校验值与所签名的不同"
        )
        expect(visitor.page.locator("#faults")).to_contain_text("4 个事件中有 1 个：已被篡改")
        events.nth(1).locator("summary").click()
        expect(events.nth(1).locator(".steps > li").nth(6)).to_contain_text("未通过")
        assert "tampered" not in (events.nth(2).get_attribute("class") or "")
        assert axe_findings(visitor.page) == []
        visitor.drop(case__json=encoded(case | {"entries": []}))
        expect(visitor.page.locator("#state")).to_contain_text("信任文件： 不是证明包")


def test_a_long_case_shows_how_far_it_is(visitor: Visitor) -> None:
    """The page stays awake while the verifier works beside it: a bar says how many events are done."""
    page = visitor.page
    page.evaluate(
        """() => {
          globalThis.seen = new Set();
          const bar = document.getElementById("progress");
          const look = () => bar.hidden || seen.add(`${bar.value}/${bar.max}`);
          new MutationObserver(look).observe(bar, { attributes: true });
        }"""
    )
    visitor.drop(**OF_TESTS, case__json=WHOLE_CASE)
    assert visitor.verdict() != "tampered"
    expect(page.locator("#progress")).to_be_hidden()
    assert set(page.evaluate("[...seen]")) & {f"{done}/4" for done in range(4)}


def test_a_file_is_compared_with_the_record(visitor: Visitor) -> None:
    """Hashed on the spot; the very file is told from another one; whoever dropped a certificate is told what to do."""
    page = visitor.page
    visitor.drop(copy__bin=FILE)
    expect(page.locator(".hashed li")).to_contain_text("is hashed: drop the bundle to compare it with")
    expect(page.locator(".hashed li")).to_contain_text("blake3:" + blake3(FILE).hexdigest())
    visitor.drop(**OF_TESTS, bundle__json=encoded(REGISTERED))
    expect(page.locator(".hashed .same")).to_contain_text("is the file that event 1 (item registered) records, at body")
    visitor.drop(certificate__pdf=b"%PDF-1.7 another file")
    expect(page.locator(".hashed .other")).to_contain_text("is no file of this bundle: none of the 1 digests")
    expect(page.locator(".hashed .other")).to_contain_text("its bundle is attached to it")


@pytest.mark.parametrize("outcome", ["match", "mismatch"])
def test_a_file_that_an_examination_mentions_is_no_exhibit(visitor: Visitor, outcome: MatchResult) -> None:
    """The case goes by the registration; alone, an examination proves the item only if it found it as registered."""
    page, doctored = visitor.page, b"another file"
    computed = "blake3:" + blake3(doctored if outcome == "mismatch" else FILE).hexdigest()
    examined = ItemExamined(item_id="phone", method="hashing", match_result=outcome, digests=(computed,))
    written = Case().open().register("phone", digests=("blake3:" + blake3(FILE).hexdigest(),)).act(examined)
    case = log_with(written, POLICE, PROCURATORATE)
    visitor.drop(trust__json=encode_trust(naming(case.bundle(FIRST))), case__json=encoded(tree(case.case_bundle())))
    visitor.drop(original__bin=FILE, doctored__bin=doctored)
    lines = page.locator(".hashed span")
    expect(lines.nth(2)).to_contain_text("is the file that event 2 (item registered) records")
    expect(lines.nth(2)).to_have_class("same")
    expect(lines.nth(3)).to_have_class("other")
    if outcome == "mismatch":
        expect(lines.nth(3)).to_contain_text("a file that event 3 (item examined: mismatch) mentions, and not the item")
        expect(lines.nth(3)).to_contain_text("event 2 has another digest of it")
    visitor.drop(bundle__json=encoded(tree(case.bundle(len(case.events) - 1))))
    if outcome == "match":
        expect(lines.nth(2)).to_contain_text("is the file that event 1 (item examined: match) records")
        expect(lines.nth(3)).to_have_class("other")
    else:
        expect(lines.nth(2)).to_contain_text("none that the item was registered with")
        expect(lines.nth(3)).to_contain_text("mentions. That proves nothing of the item as it was registered")
        assert [lines.nth(at).get_attribute("class") for at in (2, 3)] == ["quiet", "quiet"]


def test_a_certificate_is_opened_and_the_bundle_in_it_checked(visitor: Visitor) -> None:
    """As if the bundle had been dropped; one whose attachment was changed is tampered with."""
    page = visitor.page
    pdf = typeset(certified_as(OF_EVENT), encode_bundle(OF_EVENT).decode())
    visitor.drop(trust__json=encode_trust(CERTIFIED_BY), certificate__pdf=pdf)
    expect(page.locator(".hashed li").last).to_contain_text("What is printed on the PDF was not compared")
    assert visitor.verdict() == "intact"
    changed = encode_bundle(OF_EVENT).replace(b"screen broken", b"screen intact")
    visitor.drop(changed__pdf=pdf_with(zlib.compress(changed)))
    expect(page.locator(".hashed li").last).to_contain_text("a PDF with a bundle attached")
    expect(page.locator("#verdict.tampered")).to_be_visible()
    visitor.drop(plain__pdf=pdf_with(encode_bundle(OF_EVENT), packed=b""))
    assert visitor.verdict() == "intact"


@pytest.mark.parametrize(
    "attached",
    [
        lambda: b"not deflated at all",
        lambda: zlib.compress(bytes(65 * 1024 * 1024)),
        lambda: zlib.compress(b'{"format":"another"}'),
    ],
    ids=["broken", "bomb", "another"],
)
def test_a_pdf_without_a_bundle_is_a_file_like_any_other(visitor: Visitor, attached: Callable[[], bytes]) -> None:
    """Broken, swelling beyond what is looked into, or something else: it is hashed, and its reader told what to do."""
    visitor.drop(some__pdf=pdf_with(attached()))
    expect(visitor.page.locator(".hashed li")).to_contain_text("drop the bundle to compare it with")
    expect(visitor.page.locator(".hashed li")).to_contain_text("save the attachment with your reader of PDF files")


def pdf_with(stream: bytes, *, packed: bytes = b"/Filter/FlateDecode") -> bytes:
    """Return as much of a PDF as says that a file is attached."""
    head = b"<</Type/EmbeddedFile%s/Params<</Size 9>>/Length %d>>" % (packed, len(stream))
    return b"%PDF-1.7\n1 0 obj\n" + head + b"\nstream\n" + stream + b"\nendstream\nendobj\n%%EOF"


def test_a_large_file_shows_how_far_it_is(visitor: Visitor, tmp_path: Path) -> None:
    """A bar runs while 64 MiB and more are hashed, a piece at a time."""
    file = tmp_path / "disk.img"
    with file.open("wb") as written:
        written.truncate(65 * 1024 * 1024)
    visitor.page.locator("#dropped").set_input_files(file)
    expect(visitor.page.locator(".hashed progress")).to_be_visible()
    expect(visitor.page.locator(".hashed")).to_contain_text("blake3:", timeout=60_000)
    expect(visitor.page.locator(".hashed progress")).to_have_count(0)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (encoded(REGISTERED)[:-40], "no"),
        (encoded(REGISTERED | {"more": 1}), "no bundle"),
        (b'{"format":"tallystick/trust@v1"}', "no trust file"),
    ],
)
def test_what_is_no_bundle_is_refused_in_words(visitor: Visitor, data: bytes, says: str) -> None:
    """A broken file of ours is said to be broken, and why; nothing is said of its content."""
    visitor.drop(**OF_TESTS, bundle__json=encoded(REGISTERED))
    expect(visitor.page.locator("#outcome-part")).to_be_visible()
    visitor.drop(broken__json=data)
    message = "This is neither a bundle nor a trust file of this protocol: "
    expect(visitor.page.locator("#state")).to_contain_text(message + says)
    expect(visitor.page.locator("#outcome-part")).to_be_hidden()


def code(digest: str, log: str = LOG, of: str = "case-1") -> str:
    return link("", log, of, digest)


def test_the_code_on_paper_says_what_is_looked_for(tmp_path: Path, browser: Browser) -> None:
    """The address on paper leads here with its code; the bundle is found to be the one, or not to be it."""
    registered = BUNDLES.events[FIRST + 1].envelope
    with visiting(tmp_path, browser, code(registered.payload_digest, of=registered.event_id)) as visitor:
        asked = visitor.page.locator("#looked-for")
        expect(asked).to_contain_text(registered.payload_digest)
        expect(asked).to_contain_text(f"tally proof get {registered.event_id}")
        visitor.drop(**OF_TESTS, bundle__json=encoded(REGISTERED))
        expect(visitor.page.locator("#paper-says")).to_contain_text("This is what the code on paper leads to")
        expect(visitor.page.locator("#paper-says")).to_contain_text("printed on the paper was not compared")
        expect(visitor.page.locator("#content dl")).to_be_visible()
        visitor.drop(bundle__json=encoded(tree(BUNDLES.bundle(FIRST))))
        expect(visitor.page.locator("#paper-says")).to_contain_text("This is not what the code on paper leads to")
        assert visitor.verdict() != "tampered"
        visitor.drop(case__json=WHOLE_CASE)
        expect(visitor.page.locator("#paper-says")).to_contain_text("This is what the code on paper leads to")
        expect(visitor.page.locator("#events > details[open]")).to_have_count(1)
        expect(visitor.page.locator("#events > details[open] dl")).to_contain_text(registered.event_id)
        spoiled = tree(BUNDLES.bundle(FIRST + 1))
        spoiled["entries"][-1]["payload"]["body"]["description"] = "another phone"
        visitor.drop(bundle__json=encoded(spoiled))
        not_verified = "claims to be what the code on paper leads to, which is not verified: see above"
        expect(visitor.page.locator("#paper-says")).to_contain_text(not_verified)
        forged = tree(BUNDLES.bundle(FIRST + 1, payload=None, nodes={}))
        forged["entries"][-1]["envelope"]["suite"] = 2
        visitor.drop(bundle__json=encoded(forged))
        expect(visitor.page.locator("#verdict")).to_have_class("verdict unverifiable")
        expect(visitor.page.locator("#paper-says")).to_contain_text(not_verified)
        assert axe_findings(visitor.page) == []


@pytest.mark.parametrize(
    ("fragment", "says"),
    [
        (code("blake3:" + "ab" * 32, log="0x" + "ab" * 32), "The code is of another ledger than this server's: 0xabab"),
        (code("blake3:" + "ab" * 32, of="<img src=x>"), "is not the code of a paper of ours"),
        ("#log=1&of=2", "is not the code of a paper of ours"),
    ],
)
def test_other_codes_are_told(tmp_path: Path, browser: Browser, fragment: str, says: str) -> None:
    """A code of another ledger, or none of ours: said, and never taken for markup."""
    with visiting(tmp_path, browser, fragment) as visitor:
        expect(visitor.page.locator("#looked-for")).to_contain_text(says)
        assert visitor.page.locator("img[src=x]").count() == 0


def test_the_verifier_can_ask_nobody(tmp_path: Path, browser: Browser) -> None:
    """Nor can what judges a bundle beside the page, though the service is there: its policy is its own."""
    with verify_page(tmp_path, browser) as (page, url, _):
        page.goto(f"{url}/verify")
        expect(page.locator("[data-verify][data-ready]")).to_be_attached()
        (worker,) = page.workers
        asked: list[str] = []
        page.context.on("request", lambda request: asked.append(request.url))
        ask = f"fetch('{url}/api/v1/log').then(() => 'answered', () => 'refused')"
        assert (worker.evaluate(ask), page.evaluate(ask)) == ("refused", "refused")
        socket = f"new Promise((done) => {{ try {{ const ws = new WebSocket('{url.replace('http', 'ws')}/'); "
        socket += (
            "ws.onopen = () => done('opened'); ws.onerror = () => done('refused'); } catch { done('refused'); } })"
        )
        assert worker.evaluate(socket) == "refused"
        assert [address for address in asked if "/api/" in address] == []


@pytest.mark.parametrize("script", ["verify/verify-worker.js", "vendor/verify.js"])
def test_a_verifier_that_does_not_run_is_told(tmp_path: Path, browser: Browser, script: str) -> None:
    """Nobody waits for a verdict that never comes: the page says what to do instead, before and after a drop."""
    with verify_page(tmp_path, browser) as (page, url, _):
        page.context.route(f"**/{script}", lambda route: route.abort())
        page.goto(f"{url}/verify")
        state = page.locator("#state")
        expect(state).to_contain_text("The verifier does not run in this browser")
        Visitor(page, []).drop(bundle__json=encoded(REGISTERED))
        expect(page.locator(".hashed li")).to_have_count(1)
        expect(state).to_contain_text("use one of the two commands below")
        expect(page.locator("#outcome-part")).to_be_hidden()
