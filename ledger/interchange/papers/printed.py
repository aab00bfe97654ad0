"""A certificate from a bundle to a PDF in one call, so that a process of its own can do it."""

from __future__ import annotations

from msgspec import Struct

from ledger.core.procedure.rulebook import Rulebook
from ledger.core.verification.trust import Trust
from ledger.interchange.papers.certificate import certificate
from ledger.interchange.papers.certified import certify
from ledger.interchange.papers.typeset import typeset
from ledger.interchange.papers.voice import PaperLanguage


class Asked(Struct, frozen=True):
    """A certificate that is asked for; see ``certificate``."""

    bundle: bytes
    trust: Trust
    book: Rulebook
    language: PaperLanguage
    verify_url: str
    item_id: str | None = None


def printed(asked: Asked) -> bytes:
    """The PDF. Raises what ``certify``, ``certificate`` and ``typeset`` raise."""
    certified = certify(asked.bundle, asked.trust, asked.book)
    made = certificate(
        asked.bundle, certified, asked.trust, asked.language, verify_url=asked.verify_url, item_id=asked.item_id
    )
    return typeset(made.sheet, made.attached)
