"""The procedure packages that ship with this version."""

from __future__ import annotations

from functools import cache
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.core.procedure.rulebook import Rulebook

SHIPPED = {
    "evidence": ("procedure.toml", "clocks.toml", "flags.toml", "examples.toml"),
    "cn-criminal": ("procedure.toml", "clocks.toml", "flags.toml", "calendar.toml", "examples.toml"),
}  # the files of each package
IN_USE = "cn-criminal"


def shipped_package(procedure_id: str = IN_USE) -> dict[str, bytes]:
    """Return the files of a package, by their names.

    This module's loader reads them: importing pathlib or importlib.resources would slow every start of a command.
    """
    loader = __spec__.loader
    assert isinstance(loader, SourceFileLoader)
    return {name: loader.get_data(f"{__path__[0]}/{procedure_id}/{name}") for name in SHIPPED[procedure_id]}


@cache
def shipped_tables() -> dict[str, Any]:
    """Return the tables of the procedure in use, as they stand in its files: enough for labels, and sooner there."""
    import tomllib  # noqa: PLC0415 - few runs tell of a rule, and all would wait for it

    files = shipped_package().values()
    return {key: value for data in files for key, value in tomllib.loads(data.decode()).items()}


def shipped_words(vocabulary: str) -> tuple[str, ...]:
    """Return the words of a vocabulary of the procedure in use, in their order."""
    return tuple(shipped_rulebook().vocabularies[vocabulary])


@cache
def shipped_rulebook() -> Rulebook:
    """Return the procedure in use. Its decoder is imported here: those who only need the text would wait for it."""
    from ledger.core.procedure.package import read_package  # noqa: PLC0415

    return read_package(shipped_package())
