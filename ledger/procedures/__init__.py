"""The procedure packages that ship with this version."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.core.procedure.adoption import Procedures
    from ledger.core.procedure.rulebook import Rulebook

SHARED = {
    "cn-common": (
        "calendar.toml",
        "laws.toml",
        "papers.toml",
        "recommendations.toml",
        "retention.toml",
        "units.toml",
        "zone.toml",
    ),
    "cn-supervision": ("clocks.toml", "flags.toml", "laws.toml", "words.toml"),
}  # tables that packages include, and are no package
_CN_COMMON = tuple(f"cn-common/{name}" for name in SHARED["cn-common"])
_CN_SUPERVISION = (*(f"cn-supervision/{name}" for name in SHARED["cn-supervision"]), *_CN_COMMON)
_BY_STAGE = tuple(
    f"clocks-{part}.toml" for part in ("commission", "detention", "execution", "investigation", "review", "trial")
)
_EXAMPLES = ("examples-returns.toml", "examples-things.toml", "examples.toml")
_USUAL = ("procedure.toml", "clocks.toml", "examples.toml")
SHIPPED = {
    "evidence": (*_USUAL, "flags.toml", "papers.toml", "units.toml", "zone.toml"),
    "cn-criminal": (
        *("procedure.toml", *_BY_STAGE, "clocks.toml"),
        *(*_EXAMPLES, "flags.toml", "laws.toml", "papers.toml", *_CN_COMMON),
    ),
    "cn-civil-supervision": (*_USUAL, *_CN_SUPERVISION),
    "cn-administrative-supervision": (*_USUAL, *_CN_SUPERVISION),
    "cn-public-interest": (*_USUAL, *_CN_SUPERVISION),
    "ew-criminal": (*_USUAL, "calendar.toml", "flags.toml", "papers.toml", "units.toml", "zone.toml"),
}  # the files of each package
IN_USE = "cn-criminal"


def shipped_package(procedure_id: str = IN_USE) -> dict[str, bytes]:
    """Return the files of a package, by their names; those that it includes have the name of their folder before it."""
    return {name: _file(name if "/" in name else f"{procedure_id}/{name}") for name in SHIPPED[procedure_id]}


def shared_tables(folder: str) -> dict[str, bytes]:
    """Return the files of a folder that packages include."""
    return {name: _file(f"{folder}/{name}") for name in SHARED[folder]}


def _file(name: str) -> bytes:
    """Read a file by this module's loader: importing pathlib or importlib.resources would slow every start."""
    loader = __spec__.loader
    assert isinstance(loader, SourceFileLoader)
    return loader.get_data(f"{__path__[0]}/{name}")


@cache
def shipped_tables(procedure_id: str = IN_USE) -> dict[str, Any]:
    """Return the tables of a package, as they stand in its files: enough for labels, and sooner there."""
    import tomllib  # noqa: PLC0415 - few runs tell of a rule, and all would wait for it

    tables: dict[str, Any] = {}
    for data in shipped_package(procedure_id).values():
        for key, value in tomllib.loads(data.decode()).items():
            own = tables.get(key, type(value)())
            tables[key] = {**value, **own} if isinstance(value, dict) else own + value
    return tables


def tables_that_ship() -> Iterator[dict[str, Any]]:
    """Yield the tables of each package, of the procedure in use first."""
    yield shipped_tables()
    yield from (shipped_tables(name) for name in SHIPPED if name != IN_USE)


@cache
def books_that_ship() -> dict[str, Rulebook]:
    """Return all procedures that come with this version, by their ids."""
    from ledger.core.procedure.package import read_package  # noqa: PLC0415

    others = {name: read_package(shipped_package(name)) for name in SHIPPED if name != IN_USE}
    books = others | {IN_USE: shipped_rulebook()}
    return {name: books[name] for name in SHIPPED}


@cache
def shipped_procedures() -> Procedures:
    """Return the procedure in use as in force from the first entry on."""
    from ledger.core.procedure.adoption import Procedures  # noqa: PLC0415

    return Procedures.of(shipped_rulebook())


@cache
def shipped_rulebook() -> Rulebook:
    """Return the procedure in use. Its decoder is imported here: those who only need the text would wait for it."""
    from ledger.core.procedure.package import read_package  # noqa: PLC0415

    return read_package(shipped_package())
