"""What all rows of a procedure package have: labels, the text that they rest on, and the law that it is of."""

from __future__ import annotations

from msgspec import Struct

from ledger.core.events import terms

Label = dict[str, str]  # a text in each language


class Sourced(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row that rests on a text: its ``source`` in full, and what of it is ``unconfirmed`` and has to be looked up."""

    source: str = ""
    unconfirmed: Label = {}


class Law(Struct, frozen=True, forbid_unknown_fields=True):
    """A law or rule that articles are of, in the text that the package rests on.

    ``names`` are what it is called, with ``{}`` for the number, in languages in which it is not called as in an
    article. ``source`` is the text: title, number of the document, where it can be read. It holds from ``valid_from``.
    What rests on ``practice`` has no text.
    """

    names: Label = {}
    source: str = ""
    valid_from: terms.Date | None = None
    practice: bool = False
