"""The rules of procedure that ship with this version, as text and as a rulebook."""

from __future__ import annotations

from functools import cache
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.core.procedure.rulebook import Rulebook


def shipped_rules() -> str:
    """Return the text of the rules.

    This module's loader reads it: importing pathlib or importlib.resources would slow every start of a command.
    """
    loader = __spec__.loader
    assert isinstance(loader, SourceFileLoader)
    return loader.get_data(f"{__path__[0]}/rules.toml").decode()


def shipped_words(vocabulary: str) -> tuple[str, ...]:
    """Return the words of a vocabulary of the rules, in their order."""
    return tuple(shipped_rulebook().vocabularies[vocabulary])


@cache
def shipped_rulebook() -> Rulebook:
    """Return the rules, parsed. The parser is imported here, since those who only need the text would wait for it."""
    from ledger.core.procedure import rulebook  # noqa: PLC0415

    return rulebook.parse(shipped_rules())
