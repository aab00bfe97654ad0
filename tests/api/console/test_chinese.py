"""Chinese pages: no English word and no code of the protocol stands on one, but in ids, files and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import msgspec
import pytest

from ledger.core.events.terms import TABLE_OF
from ledger.i18n import Labels
from ledger.store import log
from ledger.store.database import Database
from scripts import texts
from tests.api.console.matrix import PAGES, Row
from tests.api.console.pages import OWN, page_of, post
from tests.api.matrix import RELATIONS, World, reader
from tests.testkit.builders import PRISON

# Elements without text of ours: scripts, commands, the editor of a model's file; ids, digests and keys are of a class.
NO_TEXT = frozenset(("script", "style", "code", "pre", "kbd", "textarea"))
IDS = "id"
EMPTY = frozenset(("br", "hr", "img", "input", "link", "meta", "path", "rect", "line", "circle", "use", "col", "wbr"))
IN_CHINESE = {"accept-language": "zh-CN"}
READ_OUT = ("title", "placeholder", "aria-label", "alt")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]+")
# Times for machines, digests and ids, what is cut short, slots of a model's text, a column beside its label, commands.
NO_WORDS = re.compile(
    r"[\d-]+T[\d:.+]+|(?<![\w-])(?:0x|[a-z]+-)?[0-9a-f-]{8,}(?![\w-])|\S*…\S*|\{[a-z_]+\}"
    r"|(?<=[一-龥）] · )[a-z_]+(?![\w-])|tally (?:[a-z-]+ ?)+|[\w.]*\.(?:toml|yaml)\b|\b[a-z]+-$"
    r"|[^\s（、]*\.jpg\b",
    re.ASCII,
)
NAMES = frozenset(
    (
        *("Tallystick", "PDF", "JSON", "YAML", "CEL", "SQL", "SELECT", "JavaScript", "SHA-256", "BLAKE3", "EIP-712"),
        *("KiB", "MiB", "GiB", "IP", "BTC", "ETH", "USDT", "wei", "A4", "CSV", "XLSX"),
    )
)
# What officers of the world wrote that has a label too, what is typed on the workbench, and what no event says.
WRITTEN = frozenset(
    (
        *("cases", "status", "accepted", "refused", "true", "false", "new-model", "item-not-handed-over-own"),
        *("the", "node", "was", "away"),
    )
)


class ReadText(HTMLParser):
    """The texts of a page as a reader is shown or told them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(html)

    @property
    def _hidden(self) -> bool:
        return bool(self._open and self._open[-1][1])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        of_ids = IDS in (attributes.get("class") or "").split()
        hidden = self._hidden or tag in NO_TEXT or of_ids or attributes.get("lang") == "en"
        if not hidden:
            self.texts += [value for name, value in attributes.items() if name in READ_OUT and value]
        if tag not in EMPTY:
            self._open.append((tag, hidden))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)


def strings(value: object) -> Iterator[str]:
    """Yield each text in a value of JSON; names of fields are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


@pytest.fixture(scope="module")
def written(world: World) -> frozenset[str]:
    return written_in(world.served.parts.database)


def written_in(database: Database) -> frozenset[str]:
    """Return the words of what people wrote, and of ids. A value that has a label is a code, and none of them."""
    codes = {entry.id for entry in texts.catalogue("zh_CN") if entry.context}
    codes |= {word for vocabulary in TABLE_OF for word in Labels("zh-CN").all(vocabulary)}
    values = set[str]()
    with database.read() as connection:
        for entry in log.entries(connection, 0, 10_000):
            sections = log.decoded_sections(connection, entry)
            values |= {entry.stream_id, *strings(msgspec.json.decode(entry.payload))}
            values |= {text for section in sections.values() if section for text in section.fields.values()}
    values -= codes
    return WRITTEN | NAMES | {word for value in values for word in WORD.findall(value)}


def english_of(page: str, written: frozenset[str]) -> list[str]:
    """Return the texts of a page that have a word which nobody wrote and no name is."""
    shown = (" ".join(text.split()) for text in ReadText(page).texts)
    return [text for text in shown if any(word not in written for word in WORD.findall(NO_WORDS.sub(" ", text)))]


@pytest.mark.extended
@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.label)
def test_a_chinese_page_has_no_english_word_and_no_code(world: World, written: frozenset[str], row: Row) -> None:
    """For each role that is shown it, as ``test_walk`` requires of some readers: what people wrote stays as it is."""
    for role in row.roles:
        readers = (each for each in RELATIONS if row.may(each, role) and not row.refuses(each, role))
        if (relation := next(readers, None)) is not None:
            answer = page_of(world.served, reader(relation, role), row.address(world.names), **IN_CHINESE)
            assert answer.status_code == 200
            assert english_of(answer.text, written) == [], role


def test_an_english_word_is_noticed() -> None:
    """In a text, in what is read out, and a code; not in an id, a command, or what says that it is English."""
    page = '<p title="Open it">案件 case-1</p><p>阶段：first_instance</p><p lang="en">Case</p><b class="id">x-1</b>'
    assert english_of(page, frozenset(("case-1",))) == ["Open it", "阶段：first_instance"]


def test_a_refusal_calls_an_agency_by_its_name(world: World) -> None:
    """As the page around it does: nobody has to know what the id of another agency stands for."""
    form = {"handover_id": world.offer, "received_at": "2026-03-02T12:00", "rest_as_listed": "true"}
    answer = post(world.served, reader("former", "clerk"), "/cases/case-1/drafts/accept", form, OWN | IN_CHINESE)
    assert answer.status_code == 422
    assert f"{PRISON}机关" in answer.text
