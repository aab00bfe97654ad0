"""Proof bundles as files of whoever checks them: with which trust file they are read, and what they prove."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from ledger.core.errors import MalformedInput

if TYPE_CHECKING:
    from ledger.cli.session import Session
    from ledger.core.report import Report
    from ledger.core.trust import Trust
    from ledger.core.verify_case import CaseReport


def verify(data: bytes, trust: Trust, log_folder: str | None) -> Report | CaseReport:
    """The report of a bundle, of whichever kind it is; ``log_folder`` is a copy of the log. Raises MalformedInput."""
    if is_of_a_case(data):
        return verify_whole_case(data, trust, log_folder)
    from ledger.core.verify import verify_bundle

    return verify_bundle(data, trust)


def verify_whole_case(data: bytes, trust: Trust, log_folder: str | None = None) -> CaseReport:
    """The same of a case's bundle, under the rules that this program has."""
    from pathlib import Path

    from ledger.cli.log_copy import entries
    from ledger.core import rulebook
    from ledger.core.verify_case import verify_case

    book = rulebook.parse((Path(rulebook.__file__).parents[1] / "rules.toml").read_text(encoding="utf-8"))
    return verify_case(data, trust, book, entries=entries(Path(log_folder)) if log_folder else None)


def is_of_a_case(data: bytes) -> bool:
    """Whether a bundle claims to be of a whole case."""
    return _head(data).format == "tallystick/case-bundle@v1"


def trust_for(session: Session, data: bytes, files: Iterable[BinaryIO]) -> Trust:
    """The trust file of the bundle's ledger: one of ``files``, else that of the profile.

    Where none is of its ledger it is the first one, against which the bundle then fails. Raises MalformedInput.
    """
    from ledger.core.trust import parse_trust

    trusted = [parse_trust(file.read()) for file in files] or [parse_trust(_trust_of_profile(session))]
    log_id = _head(data).log_id
    return next((trust for trust in trusted if f"0x{trust.log_id.hex()}" == log_id), trusted[0])


def _trust_of_profile(session: Session) -> bytes:
    if session.profile_name or len(session.profiles.names()) == 1:
        file = session.profiles.trust(session.profile)
        if file.exists():
            return file.read_bytes()
    raise MalformedInput(
        "there is no trust file",
        field="--trust",
        hint="A proof is checked against what you trust, never against itself: get it with 'tally log trust', and "
        "compare it with what the ledger's agencies have published.",
    )


class _Head(Struct):
    """Format and ledger that a bundle claims, to choose by; nothing of it is believed."""

    format: str = ""
    log_id: str = ""


def _head(data: bytes) -> _Head:
    try:
        return msgspec.json.decode(data, type=_Head)
    except (msgspec.DecodeError, RecursionError):
        return _Head()
