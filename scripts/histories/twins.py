"""Two cases that share a thing: lawful where they are linked."""

from __future__ import annotations

from ledger.core.events import case
from scripts.histories.sentence import Criminal


class Twin(Criminal):
    """``shared`` (32 bytes of hex) is what it shares with its twin; both are set by the history."""

    shared = ""
    twin = ""


class SealTwin(Twin):
    """The seal of a thing is one that its twin has."""

    def seal_of(self, label: str) -> str:
        return self.shared if label == "exhibit1" else super().seal_of(label)


class DataTwin(Twin):
    """The data of an image are those that its twin has."""

    def digest_of(self, label: str) -> str:
        return f"sha256:{self.shared}" if label == "image" else super().digest_of(label)


class LinkedTwin(SealTwin, DataTwin):
    """Seal and data of a thing that is evidence in both cases, which are linked as the law wants it."""

    def begin(self) -> None:
        super().begin()
        self.say(case.CaseLinked(other_case_id=self.twin, relation="same_exhibit"))
