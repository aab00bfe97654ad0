"""Which version of each procedure is in force: by the texts that a log has published, and the digests it has adopted.

A version is in force after the entry that mirrors its adoption, until another version of the same procedure is. What is
adopted stays in the list even if it is unusable; then the version before stays in force.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct

from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput, refuse
from ledger.core.events.procedure import ProcedurePublished
from ledger.core.events.terms import Trait
from ledger.core.messages import Message
from ledger.core.procedure.package import decode_package
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.procedure.zones import UNIVERSAL, Zone

NOT_YET = 2**63  # above every index: whatever the log has is below it


class AdoptedVersion(Struct, frozen=True):
    """A digest that entry ``index`` adopted; without a ``book`` it is unusable, for the reason ``fault``."""

    digest: str
    index: int
    book: Rulebook | None = None
    fault: Message | None = None


class Procedures(Struct, frozen=True, dict=True):
    """What a log has adopted, in its order."""

    versions: tuple[AdoptedVersion, ...] = ()

    @classmethod
    def of(cls, *books: Rulebook) -> Procedures:
        """Return procedures that are in force from the first entry on, for events without the log they are from."""
        return cls(tuple(AdoptedVersion(book.digest, -1, book) for book in books))

    def at(self, index: int) -> Mapping[str, Rulebook]:
        """Return the version of each procedure, by its id, that was in force for entry ``index``."""
        # Strictly below: the adoption must be in the log before the act that it is to judge.
        return self._in_force[bisect_left(self.versions, index, key=lambda version: version.index)]

    @property
    def current(self) -> Mapping[str, Rulebook]:
        """Return the versions in force after everything that the log has."""
        return self._in_force[-1]

    @property
    def last_index(self) -> int:
        """Return the index of the newest adoption, -1 if there is none."""
        return self.versions[-1].index if self.versions else -1

    @property
    def zone(self) -> Zone:
        """Return the time zone of the ledger where no case is concerned: that of the first procedure in force."""
        return next((book.zone for book in self.current.values()), UNIVERSAL)

    @cached_property
    def traits(self) -> dict[str, frozenset[Trait]]:
        """Return the traits of each kind of agency, by all procedures in force together."""
        traits: dict[str, frozenset[Trait]] = {}
        for book in self.current.values():
            for kind, of_kind in book.traits.items():
                traits[kind] = traits.get(kind, frozenset()) | of_kind
        return traits

    @cached_property
    def _in_force(self) -> list[dict[str, Rulebook]]:
        """Return what is in force after the first n adoptions, by n."""
        states: list[dict[str, Rulebook]] = [{}]
        for version in self.versions:
            book = version.book
            states.append(states[-1] if book is None else states[-1] | {book.procedure.id: book})
        return states

    def adopt(self, digest: str, index: int, text: bytes | None) -> Procedures:
        """Return the procedures after entry ``index`` adopted a digest; ``text`` is what was published of it before.

        A digest without a readable text, or whose text does not continue the version in force, is kept as unusable.
        """
        book: Rulebook | None = None
        try:
            if text is None:
                fault: Message | None = Message("no entry before its adoption has its text")
            elif blake3_text(text) != digest:
                fault = Message("the text that was published for it has another digest")
            else:
                book = decode_package(text)
                fault = fault_after(self.current.get(book.procedure.id), book)
        except MalformedInput as error:
            fault = Message("{error.field}: {error}", error=error)
        version = AdoptedVersion(digest, index, None if fault else book, fault)
        return Procedures((*self.versions, version))


def fault_after(earlier: Rulebook | None, book: Rulebook) -> Message | None:
    """Return why a version cannot follow the ``earlier`` one, which is in force, or None.

    Words are never taken away: a case that has one of them would be left without its meaning.
    """
    if earlier is None or earlier.digest == book.digest:
        return None
    if book.procedure.version <= earlier.procedure.version:
        return Message(
            "version {earlier.version} is in force, and this is version {version}",
            earlier=earlier.procedure,
            version=book.procedure.version,
        )
    words = earlier.vocabularies
    for vocabulary, later in book.vocabularies.items():
        for word in words[vocabulary]:
            if word not in later:
                return Message("the version in force has the word {word}, which this one lacks", word=word)
    return None


def publication_of(text: bytes) -> ProcedurePublished:
    """Return the body that publishes a package in its canonical form. Raises MalformedInput if it is none."""
    book = decode_package(text)
    identity = book.procedure
    return ProcedurePublished(procedure=identity.id, version=identity.version, digest=book.digest, text=text.decode())


def require_in_force(in_force: Mapping[str, Rulebook], procedure_id: str, *, field: str) -> Rulebook:
    """Return the version of a procedure that is in force. Refuses (unknown_procedure) where none is."""
    book = in_force.get(procedure_id)
    if book is None:
        refuse(
            "unknown_procedure",
            "no version of the procedure {procedure_id} is in force",
            procedure_id=procedure_id,
            field=field,
            hint=Message("In force are: {procedures}", procedures=", ".join(in_force) or "-"),
        )
    return book
