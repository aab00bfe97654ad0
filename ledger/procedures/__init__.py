"""The procedure packages that ship with this version."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.core.procedure.adoption import Procedures
    from ledger.core.procedure.rulebook import Rulebook

SHARED = ("cn-common", "cn-supervision")  # folders of tables that packages include, and that are no package
_SUPERVISION = ("cn-supervision", "cn-common")
# The packages, each with the folders that it includes.
SHIPPED: dict[str, tuple[str, ...]] = {
    "evidence": (),
    "cn-criminal": ("cn-common",),
    "cn-civil-supervision": _SUPERVISION,
    "cn-administrative-supervision": _SUPERVISION,
    "cn-public-interest": _SUPERVISION,
    "ew-criminal": (),
}
IN_USE = "cn-criminal"


def shipped_package(procedure_id: str = IN_USE) -> dict[str, bytes]:
    """Return the files of a package, by their names; those that it includes have the name of their folder before it."""
    shared = {
        f"{folder}/{name}": data for folder in SHIPPED[procedure_id] for name, data in folder_files(folder).items()
    }
    return folder_files(procedure_id) | shared


def folder_files(folder: str) -> dict[str, bytes]:
    """Return the tables of a package's own folder, or of one that packages include, by the names of their files."""
    # Importing pathlib or importlib.resources would slow every start.
    path, files = f"{__path__[0]}/{folder}", {}
    for name in sorted(os.listdir(path)):  # noqa: PTH208
        if name.endswith(".toml"):
            with open(f"{path}/{name}", "rb") as file:  # noqa: PTH123
                files[name] = file.read()
    return files


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
