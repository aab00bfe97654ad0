"""The samples' town before a browser: its stories, and beside them a case in which each act can be signed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.app import create_app
from ledger.core.events import handover, letter
from ledger.core.events.supervision import RecommendationIssued, RecommendationObjected
from ledger.core.events.terms import Money
from ledger.samples import governance, load, stories
from ledger.samples.case_acts import pieces
from ledger.samples.player import Player, SampleCase
from ledger.samples.town import TownKeys
from tests.api.console.desk import session_cookie, watch
from tests.api.service import listening_at
from tests.testkit.casework import got
from tests.testkit.machine import free_port
from tests.testkit.sample_town import SampleTown, founded

CASE, OBJECTED, ISSUED = "case-1", "sample-2026-12", "sample-2026-13"
PERSONS = ("样例丙 the third of the sample", "样例丁 the fourth of the sample")
UNFOLD = """document.querySelectorAll("details").forEach((part) => {
  part.removeAttribute("name");
  part.open = true;
})"""


@dataclass
class ShownTown:
    """The town's console at ``url``, with ``case`` under way; ``leads`` are ids by what was done with them last."""

    url: str
    town: SampleTown
    keys: TownKeys
    case: SampleCase
    leads: dict[str, str]
    complaints: list[str] = field(default_factory=list)
    _cookies: dict[str, str] = field(default_factory=dict)

    def cookie(self, profile: str) -> str:
        """Return the token of this person's session."""
        if profile not in self._cookies:
            self._cookies[profile] = session_cookie(self.url, self.keys.key_id(profile), self.keys.signer(profile).sign)
        return self._cookies[profile]

    @contextmanager
    def window(self, browser: Browser, language: str) -> Iterator[Window]:
        """Open a window in this language."""
        context = browser.new_context(locale=language)
        context.set_default_timeout(30_000)
        own = (self.url, str(self.town.parts.settings.signer_url), "blob:", "data:")
        watch(context, own, self.complaints)
        yield Window(self, context, context.new_page())
        context.close()


@dataclass
class Window:
    """A window of the browser, for one person after the other."""

    town: ShownTown
    context: BrowserContext
    page: Page

    def open(self, profile: str | None, path: str) -> Page:
        """Open a page of the console as this person, or as nobody, and unfold all that is folded in it."""
        self.context.clear_cookies()
        if profile is not None:
            cookie = {"name": "tallystick", "value": self.town.cookie(profile), "domain": "127.0.0.1"}
            self.context.add_cookies([{**cookie, "path": "/console"}])  # type: ignore[list-item]
        answer = self.page.goto(f"{self.town.url}/console{path}")
        assert answer is not None
        assert answer.status == 200, (profile, path)
        expect(self.page.locator('[hx-trigger="load"]')).to_have_count(0)
        self.page.evaluate(UNFOLD)
        return self.page


@contextmanager
def shown_town(folder: Path) -> Iterator[ShownTown]:
    """Yield the town, its stories played."""
    url = f"http://127.0.0.1:{free_port()}"
    with founded(folder, public_url=url) as town:
        load.load(town.where, town.ledger, lambda _: None)
        with serving(town, url) as shown:
            yield shown


@contextmanager
def serving(town: SampleTown, url: str) -> Iterator[ShownTown]:
    """Serve a town whose stories were played, and play what they leave out."""
    keys = TownKeys.of(town.where)
    player = Player(town.ledger, keys, began_at=town.parts.clock() // 1000, secret="shown")
    case, leads = play_case(player), play_leads(player)
    play_advice(player)
    app = create_app(town.parts, write_log=lambda *_, **__: None)
    with listening_at(int(url.rpartition(":")[2]), app):
        yield ShownTown(url, town, keys, case, leads)


def play_case(player: Player) -> SampleCase:
    """Play a case that the prosecution has, with something of everything that acts are about.

    Offers were refused and recalled, another one waits for the court; so do two letters.
    """
    case = player.case(CASE, days_ago=3)
    case.open(case_number="东公刑立字〔2026-0417〕号", case_type="盗窃 theft").name(*PERSONS)
    for person in PERSONS:
        case.impose(person, "detention", ground="现场抓获 caught at the place")
    case.register("phone", description="手机一部 a phone", seal_number="FY-17-01")
    case.register("knife", description="刀具一把 a knife").register("coat", description="上衣一件 a coat")
    money = Money(amount=20000, currency="CNY")
    case.register("cash", kind="property", description="现金 cash", quantity=pieces(2), money=money, fungible=True)
    case.on(1).offer("phone", "knife", "coat", "cash", to="procuratorate-east", persons=PERSONS)
    case.accept(received=(got("coat", "mismatch", remark="袖口有破损 a torn sleeve"),))
    case.ask_custody_change(PERSONS[0])
    lab = {"to": "lab-east", "purpose": "forensic_examination"}
    case.on(2).offer("knife", **lab).refuse()
    case.offer("knife", **lab).say(
        handover.HandoverRecalled, handover_id="handover-3", ground="送错机构 the wrong house"
    )
    sent = {"kind": "file_reading_notice", "to_agency": "court-east", "sent_at": case.moment, "item_ids": ("knife",)}
    case.say(letter.LetterSent, letter_id="letter-1", number="东检函〔样例〕1号", **sent)
    case.say(letter.LetterSent, letter_id="letter-2", number="东检函〔样例〕2号", **sent)
    case.say(letter.LetterReceived, "court", letter_id="letter-2", received_at=case.moment)
    return case.offer("phone", "coat", to="court-east", purpose="public_prosecution", persons=PERSONS)


def play_leads(player: Player) -> dict[str, str]:
    """Confirm a lead that the stories leave; return one for each thing that may be done last with one."""
    stood = {
        "closed": stories.THIRD_RETURN_LEAD,
        "answered": stories.DETENTION_LEAD,
        "assigned": stories.JUDGMENT_LEAD,
        "raised": governance.pension_lead(governance.PAID[-1]),
    }
    left = governance.pension_lead(governance.PAID[-2]).work(player, until="confirmed")
    return {last: story.work(player, until="raised").lead_id for last, story in stood.items()} | {
        "confirmed": left.lead_id
    }


def play_advice(player: Player) -> None:
    """Issue two recommendations: to one the addressee objects, the other one is new."""
    for recommendation_id in (OBJECTED, ISSUED):
        stream = player.stream("supervision", f"recommendation-{recommendation_id}")
        body = RecommendationIssued(
            recommendation_id=recommendation_id,
            procedure="cn-criminal",
            kind="social_governance",
            to_agency="corrections-east",
            document_number=f"东检建〔样例〕{recommendation_id[-2:]}号",
            problem="收监未告知社会保险经办机构 the bureau is not told of intakes",
            advice="收监后五日内告知 tell the bureau within five days of the intake",
        )
        stream.write(body, "prosecutor-chief")
        if recommendation_id == OBJECTED:
            stream.write(RecommendationObjected(ground="本局无此职责 this is not our task"), "corrections")
