"""Reading: what a signed-in reader may see, and the record of each read, made before anything is shown.

``ledger.core.visibility`` decides who may see what. Confidential sections are shown to the agency that holds the case,
and to a former party that states its ground for reading them; those of a letter, which are what it says, to its sender
and its addressee; those that name a person also to an agency to which the person is offered. Files of evidence are
shown as sections of the case are.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from api.auth.sessions import ReaderSession
from api.services.parts import Parts
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import IntegrityBroken, NotFound, Unauthorized
from ledger.core.events import NAME_OF
from ledger.core.events.case import PersonNamed
from ledger.core.events.handover import HandoverOffered, HandoverRecalled
from ledger.core.events.letter import LetterReceived, LetterSent
from ledger.core.messages import Message, Term, joined
from ledger.core.procedure.jurisdiction import may_supervise
from ledger.core.signing.authority import AuthorityState
from ledger.core.supervision import SupervisionState, subject_kind_of
from ledger.core.visibility import (
    Sides,
    Sight,
    arriving,
    can_see_event,
    can_see_letter,
    may_run_models,
    may_search_jurisdiction,
    reader_of,
)
from ledger.store import cases, log, supervision
from ledger.store.access import Read
from ledger.store.database import Connection
from ledger.store.log import StoredEntry, event_of


class Reading:
    """One signed-in reader in one request."""

    def __init__(self, parts: Parts, session: ReaderSession, authority: AuthorityState):
        self._parts = parts
        self.session = session
        self.authority = authority
        self._now_ms = parts.clock()
        self._held: dict[str, bool] = {}  # cases, by whether the agency holds them
        self._arriving: dict[str, frozenset[str]] = {}  # persons who are offered to it, by case
        # Cases of which sections are about to be shown, None for other streams; until the read is recorded.
        self._showing: set[str | None] = set()
        # Entries with sections that are not as they were signed, by log index: a page leaves those out and names the
        # entries. Any other answer is refused, and has None.
        self.unsigned: dict[int, StoredEntry] | None = None
        self.reader = reader_of(
            session.agency,
            session.grant.roles,
            authority.agencies,
            now=instant_text(self._now_ms // 1000),
            officer=session.grant.officer,
        )

    @property
    def agency(self) -> str:
        return self.session.agency

    @property
    def moment(self) -> datetime:
        """Return when it is read."""
        return datetime.fromisoformat(self.reader.now)

    def supervision_state(self, connection: Connection, stream_id: str) -> SupervisionState | None:
        """Return the state of a model, lead or recommendation, with its clocks; whether it may be seen is not asked."""
        return self._parts.validator.supervision_state(connection, stream_id, self.authority.agencies)

    def record(self, subject: Message, *case_ids: str, ground: str | None = None, supervision: bool = False) -> None:
        """Record what is about to be shown in the access log. Raises Unavailable: then it must not be shown.

        ``supervision`` marks a read that the agencies of the cases must not learn of: that a lead, a model or a
        recommendation is why their case was read. A read by an agency that supervises, and has no other part in a case
        now, is marked so too, and names the lead if one that is assigned to the reader is all that shows him the case.
        """
        grant = self.session.grant
        from_outside = dict[str, str | None]()
        if case_ids and self.of_supervising_agency:
            # As it is now: by an offer that comes later the agencies of the case learn no more of this read.
            with self._parts.database.read() as connection:
                from_outside = cases.seen_from_outside(connection, self.reader, case_ids)
        recorded = case_ids or (None,)
        packed = subject.packed()
        self._parts.access.append(
            *(
                Read(
                    agency=grant.agency_id,
                    officer=grant.officer,
                    key_id=grant.key_id,
                    what=packed["id"],
                    slots=packed["slots"],
                    read_at=self._now_ms,
                    case_id=case_id,
                    ground=ground,
                    supervision=supervision or case_id in from_outside,
                    lead_id=from_outside.get(case_id or ""),
                    provider=self.session.provider,
                    sections=case_id in self._showing,
                )
                for case_id in recorded
            )
        )
        self._showing.difference_update(recorded)

    def note_sections(self, case_id: str | None) -> None:
        """Have the next read of the case, or of no case, recorded as one that shows confidential sections."""
        self._showing.add(case_id)

    @property
    def of_supervising_agency(self) -> bool:
        """Return whether its agency supervises: only then it may know how many leads there are beside its own."""
        return may_supervise(self.authority.agencies[self.agency])

    @property
    def runs_models(self) -> bool:
        return may_run_models(self.authority.agencies[self.agency], self.session.grant.roles)

    @property
    def searches_jurisdiction(self) -> bool:
        return may_search_jurisdiction(self.authority.agencies[self.agency], self.session.grant.roles)

    def require_role(self, *roles: str) -> None:
        """Raise Unauthorized unless the reader has one of the roles."""
        if not self.session.has_role(*roles):
            raise Unauthorized(
                "this takes the role {roles}",
                roles=joined([Term("role", role) for role in roles], by=" or "),
                code="role_missing",
            )

    def require_case(self, connection: Connection, case_id: str) -> Sight:
        """Return how the reader sees the case. Raises NotFound alike if it is missing and if it may not be seen."""
        return cases.require_sight(connection, case_id, self.reader)

    def require_letter(self, connection: Connection, case_id: str, letter_id: str | None = None) -> None:
        """Let a reader pass who sees this letter of the case, or any letter of it. Raises NotFound alike."""
        agencies = cases.agencies_of_letters(connection, case_id, letter_id)
        if can_see_letter(self.reader, cases.sides(connection, case_id), agencies):
            return
        if letter_id is None:
            raise cases.no_such_case(case_id)
        raise no_such_letter(case_id, letter_id)

    def require_entry(self, connection: Connection, entry: StoredEntry) -> Sight:
        """Return how the reader sees this entry's payload. Raises NotFound."""
        entry_sight = self.sight(connection, entry, sides_of_stream(connection, entry.stream_kind, entry.stream_id))
        if entry_sight is None:
            raise NotFound("no event {event_id} that you may see", event_id=entry.event_id, field="event_id")
        return entry_sight

    def sight(self, connection: Connection, entry: StoredEntry, sides: Sides | None) -> Sight | None:
        """Return how the reader sees this entry's payload, or None. ``sides`` are the parties of its stream."""
        place = (self.reader, entry.stream_kind, entry.stream_id)
        # The addressee is decoded from the payload only if nothing cheaper already permits the read.
        sight = can_see_event(*place, signer=entry.agency, sides=sides)
        if sight is not None or entry.stream_kind != "case":
            return sight
        addressed_to = _addressed_to(connection, entry)
        return can_see_event(*place, signer=entry.agency, addressed_to=addressed_to, sides=sides)

    def sees_sections(self, connection: Connection, entry: StoredEntry, sight: Sight, ground: str | None) -> bool:
        """Return whether confidential sections are shown."""
        if entry.event_type == NAME_OF[LetterSent] and self.agency in _addressed_to(connection, entry):
            return True
        if sight == "party" and entry.stream_kind != "case":
            return self.shares(entry)
        if sight == "party" and (ground is not None or self.holds(connection, entry.stream_id)):
            return True
        if entry.event_type != NAME_OF[PersonNamed] or sight not in ("party", "offered"):
            return False
        named = event_of(entry).body
        assert isinstance(named, PersonNamed), "its type says so"
        return named.person_id in self.arriving(entry.stream_id)

    def sections(self, connection: Connection, entry: StoredEntry) -> dict[str, bytes | None]:
        """Return the entry's sections by label, None for an erased one; the next read that is recorded shows them.

        Whether they may be read is not asked. If one is not as it was signed, a page gets none of them, and any other
        answer IntegrityBroken.
        """
        try:
            sections = log.signed_sections(connection, entry)
        except IntegrityBroken:
            if self.unsigned is None:
                raise
            self.unsigned[entry.log_index] = entry
            return {}
        if any(data is not None for data in sections.values()):
            self.note_sections(case_of(entry))
        return sections

    def require_files(self, connection: Connection, case_id: str, ground: str | None) -> None:
        """Let a reader pass who may read the evidence files of the case: as one of its confidential sections.

        Raises NotFound for who does not see the case, Unauthorized for who sees it without its sections.
        """
        if self.require_case(connection, case_id) != "party":
            raise Unauthorized(
                "the files of its evidence are for agencies that hold the case, or held it",
                code="files_not_shown",
                hint="Ask the agency that holds the case.",
            )
        if ground is None and not self.holds(connection, case_id):
            raise Unauthorized(
                "your agency does not hold the case any more: say on what ground you read files of its evidence",
                code="ground_missing",
                field="ground",
                hint="State the ground, which is recorded with the read: ?ground=, or --ground.",
            )

    def holds(self, connection: Connection, case_id: str) -> bool:
        """Return whether the reader's agency answers for the case or for anything in it, and so reads its sections."""
        if case_id not in self._held:
            self._held[case_id] = cases.holds(connection, case_id, self.agency)
        return self._held[case_id]

    def arriving(self, case_id: str) -> frozenset[str]:
        """Return the persons of the case who come to the reader's agency by open offers: it reads who they are."""
        if case_id not in self._arriving:
            state = self._parts.validator.states.of_listed_case(case_id)
            self._arriving[case_id] = arriving(self.reader, state)
        return self._arriving[case_id]

    def shares(self, entry: StoredEntry) -> bool:
        """Return whether a party of a stream other than a case's may read its sections.

        Those of a model are for its signers only, since everybody sees models.
        """
        return (
            subject_kind_of(entry.stream_id) != "model"
            or entry.stream_kind != "supervision"
            or entry.agency == self.agency
        )


def case_of(entry: StoredEntry) -> str | None:
    """Return the id of the entry's case, None for an entry of another stream."""
    return entry.stream_id if entry.stream_kind == "case" else None


def no_such_letter(case_id: str, letter_id: str) -> NotFound:
    """Return the error for a missing and for an invisible letter alike."""
    return NotFound(
        "no letter {letter_id} of a case {case_id} that you may see",
        letter_id=letter_id,
        case_id=case_id,
        field="letter_id",
    )


def sides_of_stream(connection: Connection, kind: str, stream_id: str) -> Sides | None:
    """Return the parties of a stream and their roles, or None for one without parties: an agency's, the system's, a
    missing one."""
    return sides_of_streams(connection, ((kind, stream_id),)).get((kind, stream_id))


def sides_of_streams(connection: Connection, streams: Collection[tuple[str, str]]) -> dict[tuple[str, str], Sides]:
    """Return what ``sides_of_stream`` returns of these streams, by kind and id: it asks but once for many."""
    sides: dict[tuple[str, str], Sides] = {}
    for kind, of_kind in (("case", cases.sides_of_cases), ("supervision", supervision.sides)):
        if stream_ids := [stream_id for own_kind, stream_id in streams if own_kind == kind]:
            sides |= {(kind, stream_id): each for stream_id, each in of_kind(connection, stream_ids).items()}
    return sides


def _addressed_to(connection: Connection, entry: StoredEntry) -> Collection[str]:
    """Return the agency to which the event makes, or recalls, an offer, or the two of a letter that it is about."""
    match event_of(entry).body:
        case HandoverOffered(to_agency=to_agency):
            return (to_agency,)
        case HandoverRecalled(handover_id=handover_id):
            to_agency = cases.offered_to(connection, entry.stream_id, handover_id)
            return () if to_agency is None else (to_agency,)
        case LetterSent(to_agency=to_agency):
            return (entry.agency,) if to_agency is None else (entry.agency, to_agency)
        case LetterReceived(letter_id=letter_id):
            return cases.agencies_of_letters(connection, entry.stream_id, letter_id)
    return ()
