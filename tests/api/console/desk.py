"""A clerk's desk: a service, the local signer with an officer's key beside it, and a browser that opens the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from api.app import create_app
from api.auth.sessions import personal_digest
from api.services.parts import Parts
from api.signer.app import SignerRoutes, SigningProvider
from api.signer.app import create_app as create_signer
from api.signer.asking import OfficerPrompt
from api.signer.guard import Guard, Pairing
from api.signer.question import KeyHolder, QuestionBuilder
from api.texts import Texts
from ledger.client.acts_in_words import ActsReader
from ledger.config.keys import LocalSigner
from ledger.config.settings import Settings
from ledger.core.custody import CaseState
from ledger.core.supervision import SupervisionState
from ledger.i18n import Labels
from ledger.recording.supervision_streams import supervision_state
from tests.api.conftest import AGENCIES, no_chain, parts_of
from tests.api.service import ZoneWatch, listening_at
from tests.testkit.builders import LOG_ID, PROCURATORATE, Officer, analyst, auditor, clerk, signature_of, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_founded, sqlite_url
from tests.testkit.machine import REPOSITORY, free_port

ROLES = (clerk, supervisor, auditor, analyst)
PAGE_KEY = "key-to-the-page-of-the-signer"
AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "/",
    "/inbox",
    "/outbox",
    "/cases",
    "/cases?all=true&order=deadline",
    "/cases/new",
    "/cases/case-1",
    "/cases/case-1/timeline",
    "/notices",
    "/notices/settings",
)
OF_CASE = ("/cases/case-1/items/new", "/cases/case-1/offer", "/cases/case-1/handovers/handover-1")
READ = "Read what you will sign"
EXPECTED = ("Failed to load resource",)  # a refusal, or a signer that does not run: the page tells of it
View = tuple[Literal["light", "dark"], int]  # colours and the width of the window, in pixels
M = TypeVar("M", bound=SupervisionState)


@dataclass
class Signing:
    """A running signer: at ``url``, for one officer; ``codes`` are those that it has shown, the latest last."""

    url: str
    codes: list[str] = field(default_factory=list)


@dataclass
class Office:
    """The service at ``url``, and what the browser complained of in any of the office's windows."""

    ledger: Ledger
    parts: Parts
    url: str
    signer_port: int
    browser: Browser
    language: str = "en"
    complaints: list[str] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)
    _leave: Callable[[], None] = lambda: None

    def sit_down(self, officer: Officer, *, language: str | None = None, **options: Any) -> Clerk:
        """Seat the officer in the place of who sat there: at a browser of his own with his signer, not signed in."""
        self._leave()
        spoken = language or self.language
        clock = self.ledger.clock
        signer = signer_of(officer, self.signer_port, self.url, lambda: clock.seconds, spoken)
        leaving = self.stack.enter_context(ExitStack())
        self._leave = leaving.close
        signing = leaving.enter_context(signer)
        context = self.browser.new_context(locale=spoken, **options)
        leaving.callback(context.close)
        context.set_default_timeout(15_000)
        context.clock.set_fixed_time(self.ledger.clock.seconds)
        own = (f"{self.url}/", f"http://127.0.0.1:{self.signer_port}/", "blob:", "data:")
        watch(context, own, self.complaints)
        return Clerk(self, officer, signing, context)

    def at(self, officer: Officer, path: str = "/", **options: Any) -> Clerk:
        """Seat the officer, signed in, before a page of the console."""
        desk = self.sit_down(officer, **options)
        desk.enter(path)
        return desk

    def state(self, case_id: str = "case-1") -> CaseState:
        """Return the case as the log has it."""
        return self.ledger.validator.states.of_listed_case(case_id)

    def supervision_state(self, stream_id: str, kind: type[M]) -> M:
        """Return a lead, model or recommendation as the log has it."""
        with self.ledger.database.read() as connection:
            state = supervision_state(connection, stream_id, self.parts.authority().agencies)
        assert isinstance(state, kind)
        return state

    def record(self, case: Case) -> Case:
        """Put those events of the case into the log that are not there yet."""
        for event in case.events:
            self.ledger.post(event)
        return case


class Clerk:
    """An officer at work: one window for the console, one for the signer's page."""

    def __init__(self, office: Office, officer: Officer, signing: Signing, context: BrowserContext):
        self.office = office
        self.officer = officer
        self.signing = signing
        self.context = context
        self.page = context.new_page()
        self.signer_page: Page | None = None

    def go(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(f"{self.office.url}/console{path}")
        return self.page

    def open(self, path: str) -> Page:
        """Open a page of the console and wait for the parts that it fetches by itself."""
        page = self.go(path)
        expect(page.locator('[hx-trigger="load"]')).to_have_count(0)
        return page

    def enter(self, path: str = "/") -> Page:
        """Open a page with a session and a paired signer that nobody was asked for: for tests of what comes after."""
        key = self.officer.key
        token = session_cookie(self.office.url, self.officer.key_id, lambda digest: signature_of(digest, key))
        cookie = {"name": "tallystick", "value": token, "domain": "127.0.0.1", "path": "/console"}
        self.context.add_cookies([cookie])  # type: ignore[list-item]
        code, origin = {"code": self.signing.codes[-1]}, {"origin": self.office.url}
        paired = httpx.post(f"{self.signing.url}/pair", json=code, headers=origin).json()["token"]
        kept = f"localStorage.setItem('tallystick-signer-token', '{paired}')"
        self.context.add_init_script(f"if (location.origin === '{self.office.url}') {kept}")
        return self.go(path)

    def sign_in(self) -> Page:
        """Come from nothing to the start page: pair the signer, agree to signing in."""
        self.go("/sign-in")
        self.page.locator("#code").fill(self.signing.codes[-1])
        self.page.locator("#pairing button").click()
        self.page.locator("#by-signer").click()
        self.agree()
        self.page.wait_for_url(f"{self.office.url}/console/")
        return self.page

    def draft_offer(self) -> Page:
        """Come to the draft of an offer of the phone to the procuratorate."""
        page = self.go("/cases/case-1/offer")
        page.locator("#to_agency").select_option(PROCURATORATE)
        page.locator("#purpose").select_option("prosecution_review")
        page.get_by_role("checkbox", name="the phone").check()
        page.locator("form[data-act] button:not([type])").click()
        expect(page.locator("#draft-title")).to_be_focused()
        return page

    def sign(self) -> str:
        """Sign the draft that is shown, and wait until it is recorded; return what the signer said."""
        event_ids = self.page.locator("[data-event-ids]").get_attribute("data-event-ids")
        assert event_ids is not None
        self.page.locator("[data-sign]").click()
        question = self.agree()
        self.page.wait_for_url(f"**event={event_ids.split()[-1]}")
        return question

    def agree(self) -> str:
        """Agree to what the signer's page asks; return what it said."""
        return self._answer("#agree")

    def decline(self) -> str:
        """Say no to it."""
        return self._answer("#decline")

    def _answer(self, button: str) -> str:
        page = self.signers()
        page.bring_to_front()
        expect(page.locator("#question")).to_be_visible()
        question = page.locator("#question").inner_text()
        page.locator(button).click()
        expect(page.locator("#question")).to_be_hidden()
        self.page.bring_to_front()
        return question

    def signers(self) -> Page:
        """Return the signer's own page."""
        if self.signer_page is None:
            self.signer_page = self.context.new_page()
            self.signer_page.goto(f"{self.signing.url}/#{PAGE_KEY}")
        return self.signer_page


def watch(context: BrowserContext, own: tuple[str, ...], complaints: list[str]) -> None:
    """Complain of errors in the context's windows, and of what they ask of others than their ``own`` addresses."""

    def notice(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(EXPECTED):
            complaints.append(message.text)

    def require_own(request: Request) -> None:
        if not request.url.startswith(own):
            complaints.append(f"asked outside: {request.url}")

    context.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective))"
    )
    context.on("console", notice)
    context.on("request", require_own)
    context.on("weberror", lambda error: complaints.append(str(error.error)))


def session_cookie(url: str, key_id: str, sign: Callable[[bytes], bytes]) -> str:
    """Sign in over the API; return the token, as the console's cookie has it."""
    ask = f"{url}/api/v1/sign-in"
    challenge = httpx.post(f"{ask}/challenge", json={"key_id": key_id}).json()
    answer = {"nonce": challenge["nonce"], "signature": "0x" + sign(personal_digest(challenge["message"])).hex()}
    token: str = httpx.post(f"{ask}/token", json=answer).json()["access_token"]
    return token


@contextmanager
def signer_of(officer: Officer, port: int, console: str, now: Callable[[], int], language: str) -> Iterator[Signing]:
    """Run ``tally signer`` in this process, with the officer's key. ``now`` gives unix seconds."""
    signing = Signing(f"http://127.0.0.1:{port}")
    key = LocalSigner.from_private_key(officer.key.secret)
    holder = KeyHolder(key.key_id, officer.agency, officer.officer_id, LOG_ID, console)
    counter = OfficerPrompt()
    desk = SigningProvider(QuestionBuilder(holder, ActsReader(Labels(language), str), now), key, counter, 31337)
    guard = Guard(signing.url, console, PAGE_KEY)
    routes = SignerRoutes(desk, counter, Pairing(signing.codes.append), guard, Texts(language))
    with listening_at(port, create_signer(routes)):
        yield signing


OFFICERS = tuple(role(agency) for agency in AGENCIES for role in ROLES)


@contextmanager
def office_in(
    folder: Path, browser: Browser, founded: Callable[[Ledger], object] | None = None, **service_settings: Any
) -> Iterator[Office]:
    """Yield an office whose service knows the tests' officers; at the end no window may have complained.

    ``founded`` founds the ledger in another way, and ``service_settings`` are settings of the service.
    """
    port, signer_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings(public_url=url, signer_url=f"http://127.0.0.1:{signer_port}", **service_settings)
    officers = () if founded else OFFICERS
    with open_founded(sqlite_url(folder), *officers) as ledger:
        if founded:
            founded(ledger)
        parts = parts_of(ledger, no_chain, settings)
        app = ZoneWatch(create_app(parts, write_log=lambda *_, **__: None))
        with listening_at(port, app), ExitStack() as stack:
            office = Office(ledger, parts, url, signer_port, browser, stack=stack)
            yield office
            assert office.complaints == []
            assert app.utc_times == []


def drop(target: Locator, **files: bytes) -> None:
    """Drag files of these names, with ``__`` for a dot, onto the target and let them fall."""
    dropped = [{"name": name.replace("__", "."), "bytes": list(data)} for name, data in files.items()]
    transfer = target.page.evaluate_handle(
        """(given) => {
          const transfer = new DataTransfer();
          for (const { name, bytes } of given) transfer.items.add(new File([new Uint8Array(bytes)], name));
          return transfer;
        }""",
        dropped,
    )
    for kind in ("dragover", "drop"):
        target.dispatch_event(kind, {"dataTransfer": transfer})


def axe_findings(page: Page) -> list[str]:
    """Return what axe finds wrong with the page, however slight."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("async () => (await axe.run()).violations")
    return [f"{violation['id']}: {node['html']}" for violation in violations for node in violation["nodes"]]


def barriers(page: Page, views: Sequence[View] = (("light", 1280), ("dark", 360))) -> list[str]:
    """Return what keeps anybody out of the page that is open, shown in these colours and as wide as this."""
    findings = [] if page.get_by_role("heading", level=1).count() == 1 else ["not one heading of the first level"]
    for scheme, width in views:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        wrong = [*axe_findings(page), *(f"wider than the window: {element}" for element in too_wide(page))]
        findings += [f"{scheme}, {width}: {finding}" for finding in wrong]
    return findings


def too_wide(page: Page) -> list[str]:
    """Return what makes the page wider than its window, so that it has to be pushed to and fro."""
    elements: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
          [...document.body.querySelectorAll("*")]
            .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth)
            .map((element) => element.outerHTML.slice(0, 120))"""
    )
    return elements
