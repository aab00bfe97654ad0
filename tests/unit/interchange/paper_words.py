"""Which words of the vocabulary ``paper`` are used, as the sources and the table of forms say."""

from __future__ import annotations

import re
from pathlib import Path

from ledger.core.verification.bundle import STEPS
from ledger.core.verification.case import STEPS as CASE_STEPS
from ledger.interchange import papers
from ledger.interchange.papers.certificate import LIMITS
from ledger.interchange.papers.forms import DOCUMENTS, FORMS

CERTIFIED = ("intact", "not_yet_anchored", "unverifiable")
SOURCES = Path(papers.__file__).parent
_SAID = re.compile(r'(?:\bpaper|\.table)\(\s*"([a-z_.]+)"')
_EITHER = re.compile(r'paper\(\s*"([a-z_]+)" if [^"]+ else "([a-z_]+)"')


def paper_words() -> tuple[str, ...]:
    """Literal words, and those that the table of forms asks for."""
    words = {f"title.{name}" for name in DOCUMENTS}
    words |= {f"statement.{form.document}.{form.act}" for form in FORMS}
    words |= {f"by_hand.{name}" for form in FORMS for name in form.by_hand}
    words |= {f"stamp.{name}" for form in FORMS for name in form.stamps if name.endswith("_party")}
    words |= {f"limit.{name}" for name in LIMITS} | {f"verdict.{name}" for name in CERTIFIED}
    for kind, steps in (("check", STEPS), ("case_check", CASE_STEPS)):
        words |= {f"{kind}.{name}.checked" for name, _ in steps}
        words |= {f"{kind}.{name}.not_checked" for name, _ in steps if name not in ("form", "ledger", "signature")}
    words |= {f"case_check.{name}.failed" for name in ("custody", "end")}  # no verdict: certified all the same
    for source in SOURCES.glob("*.py"):
        text = source.read_text(encoding="utf-8")
        words |= {_listed(word, match) for match in _SAID.finditer(text) for word in (match[1],)}
        words |= {word for pair in _EITHER.findall(text) for word in pair}
    return tuple(sorted(words))


def _listed(word: str, match: re.Match[str]) -> str:
    return f"list.{word}" if match[0].startswith(".table") else word
