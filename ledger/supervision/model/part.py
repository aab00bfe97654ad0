"""What all parts of a model's file are, and texts in both languages."""

from __future__ import annotations

from msgspec import Struct

from ledger.core.event.terms import Text


class Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a model's file."""


class Bilingual(Part, frozen=True):
    """One text in both languages."""

    zh: Text
    en: Text
