"""The views of ``views.toml`` as values: which columns there are, of what type, and what they mean."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from msgspec import Struct

from ledger.supervision.wording import Wording, one_of

DATASET = "dataset_"  # what the names of the views of registered data sets begin with
DATASET_COLUMNS: Mapping[str, str] = {"row_digest": "VARCHAR", "evidence": "VARCHAR[]"}  # beside its own, as text


class Column(Struct, frozen=True):
    """``kind`` is the DuckDB type."""

    name: str
    kind: str
    en: str
    zh: str


class View(Struct, frozen=True):
    name: str
    en: str
    zh: str
    columns: Mapping[str, Column]

    def kinds(self) -> dict[str, str]:
        """The type of each column, in their order."""
        return {column.name: column.kind for column in self.columns.values()}


@cache
def views() -> Mapping[str, View]:
    """All views but those of data sets, by name."""
    told = tomllib.loads(files("ledger.supervision.views").joinpath("views.toml").read_text(encoding="utf-8"))
    return {
        name: View(
            name,
            view["meaning"]["en"],
            view["meaning"]["zh"],
            {column: Column(column, row["type"], row["en"], row["zh"]) for column, row in view["columns"].items()},
        )
        for name, view in told.items()
    }


def dataset_view(dataset_id: str) -> str:
    """The name of a data set's view."""
    return DATASET + dataset_id.replace("-", "_")


def nearest(word: str, known: Iterable[str]) -> Wording:
    """A hint at what may have been meant; the whole list where nothing is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=3, cutoff=0.5)
    if near:
        return Wording("near", near=one_of(near))
    return Wording("there_are", words=tuple(words)) if words else Wording("there_are_none")
