"""The clerk at the counter: signs an event in the name of a profile, keeps it, sends it, says what became of it.

A submission is on disk before it is sent. The same bytes are recorded once however often they arrive, so an outcome
that is not known is looked up by sending them again: the answer is the receipt.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from ledger.cli.bodies import told_by_option
from ledger.cli.client import at
from ledger.cli.receipts import require_receipt
from ledger.cli.report import flag_in_words
from ledger.cli.seen_log import SeenLog, seen_by
from ledger.cli.session import Session
from ledger.config.secret_files import write_secret
from ledger.core.custody import Flag
from ledger.core.encoding.decoding import convert
from ledger.core.errors import Conflict, MalformedInput, TallystickError, Unavailable
from ledger.core.events import Authority, Body, Stream
from ledger.recording.signing import Actor, Place, Signed, sign_event

REBASES = 3  # an event is signed anew as often where others wrote between the look at the head and the submission
EVENTS = "/api/v1/events"
BECOMES = frozenset({"parts", "whole", "proceeds"})  # fields of bodies that bring in items out of others
MATTERS = ("model", "lead", "recommendation")  # what the names of streams of supervision begin with


@dataclass(frozen=True, slots=True)
class Claims:
    """What every act may say of itself."""

    occurred_at: str | None = None
    authority: Authority | None = None
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def with_section(self, label: str, fields: Mapping[str, str]) -> Claims:
        """The same with a confidential section."""
        return replace(self, sections={**self.sections, label: fields})


class Clerk:
    """Acts as the session's profile."""

    def __init__(self, session: Session, claims: Claims):
        self.session = session
        self._claims = claims

    def record(self, case_id: str, body: Body, *, section: tuple[str, Mapping[str, str]] | None = None) -> None:
        """Appends the event to the case and says the receipt, with the ids that the body names."""
        claims = self._claims.with_section(*section) if section else self._claims
        stream = Stream(kind="case", id=case_id)
        with told_by_option():
            receipt = self._append(stream, self.place(stream), body, claims)
        self._say(case_id, body, receipt)

    def record_for_agency(self, body: Body) -> None:
        """Appends the event to the stream of the clerk's own agency and says the receipt.

        Where that stream stands is told by the refusal of what stands elsewhere: the first attempt opens it.
        """
        say_receipt(self.session, ids_of(body) | self.append(None, body))

    def append(self, case_id: str | None, body: Body) -> dict[str, Any]:
        """The receipt of an event of the case, or of the clerk's own agency, of which nothing is said."""
        of_case = None if case_id is None else Stream(kind="case", id=case_id)
        stream = of_case or Stream(kind="agency", id=self._actor().agency)
        with told_by_option():
            return self._append(stream, self.place(stream) if of_case else Place(stream), body, self._claims)

    def record_matter(self, stream_id: str, body: Body) -> None:
        """Appends the event to the stream of a model, lead or recommendation and says the receipt."""
        self._say_matter(stream_id, body, self.append_matter(stream_id, body))

    def open_matter(self, stream_id: str, body: Body) -> None:
        """Begins such a stream with its first event."""
        self._say_matter(stream_id, body, self.begin_matter(stream_id, body))

    def append_matter(self, stream_id: str, body: Body) -> dict[str, Any]:
        """The receipt of an event of such a stream, of which nothing is said."""
        stream = Stream(kind="supervision", id=stream_id)
        with told_by_option():
            return self._append(stream, self.place(stream), body, self._claims)

    def begin_matter(self, stream_id: str, body: Body) -> dict[str, Any]:
        """Likewise of its first event."""
        place = Place(Stream(kind="supervision", id=stream_id))
        with told_by_option():
            return self.send(self.sign(body, place, self._claims))

    def open(self, case_id: str, body: Body) -> None:
        """Opens the case with its first event."""
        place = Place(Stream(kind="case", id=case_id))
        try:
            with told_by_option():
                receipt = self.send(self.sign(body, place, self._claims))
        except Conflict as conflict:
            raise Conflict(
                f"there is a case {case_id} already", field="--case-id", hint="Choose another id."
            ) from conflict
        self._say(case_id, body, receipt)

    def sign(self, body: Body, place: Place, claims: Claims) -> Signed:
        """The signed event. Raises MalformedInput."""
        return sign_event(
            body,
            place,
            self._actor(),
            pinned_log_id(self.session),
            occurred_at=claims.occurred_at,
            authority=claims.authority,
            sections=claims.sections,
        )

    def send(self, signed: Signed) -> dict[str, Any]:
        """The receipt of a signed event, which lies in the outbox until its outcome is known."""
        kept = self.session.profiles.outbox(self.session.profile) / f"{signed.envelope.event_id}.json"
        write_secret(kept, signed.submission, field="outbox")
        return send(self.session, signed.submission, kept)

    def _append(self, stream: Stream, place: Place, body: Body, claims: Claims) -> dict[str, Any]:
        for _ in range(REBASES):
            try:
                return self.send(self.sign(body, place, claims))
            except Conflict as conflict:
                if conflict.code != "not_on_head" or conflict.sequence is None:
                    raise
                place = Place(stream, conflict.sequence, conflict.head)
        return self.send(self.sign(body, place, claims))

    def place(self, stream: Stream) -> Place:
        """Where the next event of a case, model, lead or recommendation stands, asked from the service."""
        if stream.kind == "supervision":
            return self._place_of_matter(stream)
        if stream.kind != "case":
            raise MalformedInput(
                "expected sequence and previous: the heads of such streams are not told", field="sequence"
            )
        head = self.session.service.get(at("/api/v1/cases/{}/head", stream.id))
        return Place(stream, head["sequence"], head["head"])

    def _place_of_matter(self, stream: Stream) -> Place:
        thing, _, own_id = stream.id.partition("-")
        if thing not in MATTERS:
            raise MalformedInput(f"{stream.id} is no model, lead or recommendation", field="stream.id")
        own_id = stream.id if thing == "lead" else own_id
        shown = self.session.service.get(at(f"/api/v1/{thing}s/{{}}", own_id))
        return Place(stream, shown["sequence"] + 1, shown["head"])

    def _actor(self) -> Actor:
        profile = self.session.profile
        if profile.agency is None or profile.officer is None:
            raise MalformedInput(f"the profile {profile.name} names no agency and officer", field="--profile")
        return Actor(profile.agency, profile.officer, self.session.signer)

    def _say_matter(self, stream_id: str, body: Body, receipt: dict[str, Any]) -> None:
        named = {"lead_id": stream_id} if stream_id.startswith("lead-") else {}
        say_receipt(self.session, named | ids_of(body) | receipt)

    def _say(self, case_id: str, body: Body, receipt: dict[str, Any]) -> None:
        say_receipt(self.session, {"case_id": case_id} | ids_of(body) | receipt)


def send(session: Session, submission: bytes, kept: Path) -> dict[str, Any]:
    """The receipt of a submission that lies in the file ``kept``, which goes once the outcome is known.

    Raises Unavailable, and keeps the file, where it is not; IntegrityBroken, and keeps it, where the answer is no
    receipt for it or the log is not the one that the profile has seen.
    """
    seen = _same_log(session)
    try:
        receipt = session.service.post(EVENTS, submission, dict[str, Any])
    except Unavailable as error:
        raise Unavailable(
            f"{error.message}; whether the event was recorded is not known, and it is kept",
            code=error.code,
            hint=f"Send it again, it counts once: tally event submit {kept}",
        ) from error
    except TallystickError:
        kept.unlink(missing_ok=True)
        raise
    held = require_receipt(receipt, submission, seen.trust if seen else None)
    if seen:
        seen.receipt(held.note, held.checkpoint)
    kept.unlink(missing_ok=True)
    return receipt


def _same_log(session: Session) -> SeenLog | None:
    """What the profile has seen of the log, which still continues it: nothing is signed into another history."""
    seen = seen_by(session)
    if seen:
        with contextlib.suppress(Unavailable):
            seen.look()
    return seen


def say_receipt(session: Session, receipt: Mapping[str, Any]) -> None:
    """A receipt for people or programs, and the flags that the event raised."""
    from ledger.cli.output import Column

    output = session.output
    hidden = ("proof", "flags")
    output.record(receipt, None if session.json else [Column(name) for name in receipt if name not in hidden])
    for flag in convert(receipt.get("flags") or (), tuple[Flag, ...]):
        output.warn(flag_in_words(output.labels, flag))


def pinned_log_id(session: Session) -> bytes:
    """The ledger that the profile signs for: that of its trust file, else asked from its service once; and kept.

    Raises Unavailable.
    """
    profile = session.profile
    log_id = profile.log_id
    if log_id is None:
        log_id = _trusted_log_id(session) or str(session.service.get("/api/v1/log")["log_id"])
        session.profiles.write(msgspec.structs.replace(profile, log_id=log_id), replace=True)
        session.output.note(f"profile {profile.name} signs for the ledger {log_id}")
    with contextlib.suppress(ValueError):
        if len(found := bytes.fromhex(log_id.removeprefix("0x"))) == 32:
            return found
    raise MalformedInput(f"{log_id[:100]!r} is no id of a ledger", field="log_id")


def _trusted_log_id(session: Session) -> str | None:
    from ledger.core.verification.trust import parse_trust

    file = session.profiles.trust(session.profile)
    return "0x" + parse_trust(file.read_bytes()).log_id.hex() if file.is_file() else None


def ids_of(body: Body) -> dict[str, Any]:
    """What the body names by its id: the thing that it brings in or acts on, and the items that come of it."""
    said = msgspec.structs.asdict(body)
    ids = {name: value for name, value in said.items() if name.endswith("_id")}
    for name in BECOMES & said.keys():
        ids[name] = _item_ids(said[name])
    return {name: value for name, value in ids.items() if value is not None}


def _item_ids(parts: Any) -> Any:
    return [part.item_id for part in parts] if isinstance(parts, tuple) else getattr(parts, "item_id", None)
