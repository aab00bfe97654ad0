"""What all rows of a procedure package have: labels, and the text that they rest on."""

from __future__ import annotations

from msgspec import Struct

Label = dict[str, str]  # a text in each language


class Sourced(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row that rests on a text: its ``source`` in full, and what of it is ``unconfirmed`` and has to be looked up."""

    source: str = ""
    unconfirmed: str = ""
