"""Record the event of a command: make its body from options, sign it, send it, print its receipt."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ledger.acts import ACTS
from ledger.cli.options import option_of
from ledger.cli.output import Column
from ledger.cli.report import flag_in_words
from ledger.cli.session import Session
from ledger.client.events import appending, placing, send, send_together, sending, sign_acts
from ledger.client.exchange import Exchange
from ledger.config.secret_files import write_secret
from ledger.core.custody import Flag, OpenSplit
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert, decoder_of
from ledger.core.errors import Conflict, MalformedInput, TallystickError, Unavailable
from ledger.core.events import Body, Stream
from ledger.core.events.case import CaseSplit
from ledger.core.messages import Message
from ledger.recording.event_signing import (
    Actor,
    Claims,
    Signed,
    StreamPosition,
    UnsignedEvent,
    sign_event,
    unsigned_event,
)

if TYPE_CHECKING:
    from ledger.client.acts_in_words import ActsReader

B = TypeVar("B", bound=Body)


def make_body(body: type[B], **fields: Any) -> B:
    """Make a body from fields. None and empty ones are left out, text is brought to Unicode normal form C.

    Raises MalformedInput, naming the option whose parameter has the field's name.
    """
    content = {name: _normal(value) for name, value in fields.items() if value not in (None, (), [], {})}
    try:
        return canonical.parse(canonical.encode(content), decoder_of(body))
    except MalformedInput as error:
        value = content.get((error.field or "").partition(".")[0].partition("[")[0])
        message = error.text
        if isinstance(value, str | int):
            message = Message("{expected}, not {given!r}", expected=error, given=value)
        raise MalformedInput(message, field=option_of(error.field), hint=error.hint) from error


# What surrounds a body, by the parameter that it comes from.
PARAMETER_OF = {"stream": "case_id", "occurred_at": "occurred_at", "authority": "authority", "confidential": "section"}


@contextmanager
def errors_by_option() -> Iterator[None]:
    """Give errors that name a part of the event the name of the option that the part came from."""
    try:
        yield
    except TallystickError as error:
        part, _, rest = (error.field or "").partition(".")
        name = "confidential" if part == "sections" else rest.partition(".")[0]
        if part == "payload" and name == "body":
            error.field = option_of(rest.removeprefix("body.")) if rest != "body" else None
        elif part in ("payload", "envelope", "sections") and name in PARAMETER_OF:
            error.field = option_of(PARAMETER_OF[name])
        raise


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {key: _normal(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(part) for part in value]
    return value


NEW_ITEMS = frozenset({"parts", "whole", "proceeds"})  # fields of bodies that bring in items out of others


class EventRecorder:
    """Signs and records events as the officer of the session's profile, each once it was shown and agreed to.

    A refusal names the option that a wrong field came from.
    """

    def __init__(self, session: Session, claims: Claims):
        self.session = session
        self.claims = claims
        self._sent: Path | None = None  # the last submission, kept while it is not known whether it was recorded
        self._agreed: tuple[tuple[Stream, Body, Claims], Claims] | None = None

    def sign(self, body: Body, place: StreamPosition, claims: Claims) -> Signed:
        """Sign an event after asking, which is not done again if it is signed anew because others wrote meanwhile.

        Raises as ``Session.confirm``.
        """
        asked = (place.stream, body, claims)
        if self._agreed is None or self._agreed[0] != asked:
            self._agreed = asked, claims if self.session.agrees else self._ask([(body, place)], claims)
        return self._sign(body, place, self._agreed[1])

    def _sign(self, body: Body, place: StreamPosition, claims: Claims) -> Signed:
        actor = Actor(*self.session.officer, self.session.signer)
        return sign_event(body, place, actor, self.session.log_id, claims)

    def _ask(self, acts: Sequence[tuple[Body, StreamPosition]], claims: Claims) -> Claims:
        """Ask once whether to sign all that is shown, and return the claims with the time that was shown."""
        from ledger.config.keys import keystore_key_id

        session = self.session
        unsigned = [
            unsigned_event(
                body,
                place,
                *session.officer,
                keystore_key_id(session.keystore),
                now=int(time.time()),
                claims=claims,
            )
            for body, place in acts
        ]
        session.confirm(self._in_words(unsigned))
        return msgspec.structs.replace(claims, occurred_at=unsigned[0].payload.occurred_at)

    def _in_words(self, unsigned: Sequence[UnsignedEvent]) -> Iterator[str]:
        """Yield what the signer would show of each event, and what there is to know of the act."""
        acts = reader_of_acts(self.session).read([(each.event, each.sections) for each in unsigned])
        for each, act in zip(unsigned, acts, strict=True):
            yield from (act.sentence, act.source)
            for label, value in act.particulars:
                yield f"  {label}: {value}"
            if (defined := ACTS.get(each.envelope.event_type)) is not None and defined.note is not None:
                yield defined.note

    def place(self, stream: Stream) -> StreamPosition:
        """Ask the service for the place of the next event of a case, model, lead or recommendation."""
        return self.session.service.run(placing(self.session.service.requests, stream))

    def own_agency(self) -> Stream:
        """Return the stream of the profile's agency."""
        return Stream(kind="agency", id=self.session.officer[0])

    def append(
        self, stream: Stream, body: Body, *, section: tuple[str, Mapping[str, str]] | None = None
    ) -> dict[str, Any]:
        """Append an event to a stream, as ``appending`` does, and return the receipt, which is not printed."""
        claims = self.claims.with_section(*section) if section else self.claims
        service = self.session.service
        with errors_by_option():
            return service.run(
                appending(service.requests, stream, lambda place: self.sign(body, place, claims), self._sending)
            )

    def begin(self, stream: Stream, body: Body) -> dict[str, Any]:
        """Record the first event of a stream and return the receipt, which is not printed. Raises Conflict."""
        with errors_by_option():
            return self.session.service.run(self._sending(self.sign(body, StreamPosition(stream), self.claims)))

    def _sending(self, signed: Signed) -> Exchange[dict[str, Any]]:
        self._sent = self._kept(signed)
        return (yield from sending(self.session, signed.submission, self._sent))

    def _kept(self, signed: Signed) -> Path:
        """Keep a submission in the outbox until its outcome is known, and return its file."""
        file = self.session.profiles.outbox(self.session.profile) / f"{signed.envelope.event_id}.json"
        write_secret(file, signed.submission, field="outbox")
        return file

    def record(self, case_id: str, body: Body, *, section: tuple[str, Mapping[str, str]] | None = None) -> None:
        """Append an event to a case and print the receipt, with the ids that the body names."""
        stream = Stream(kind="case", id=case_id)
        receipt = self.append(stream, body, section=section)
        self._print(stream, body, receipt)
        if isinstance(body, CaseSplit) and (body.person_ids or body.item_ids):
            given_up = len(body.person_ids), len(body.item_ids)
            split = OpenSplit(receipt["event_id"], case_id, body.new_case_id, self.session.officer[0], *given_up)
            self.session.warn(split.next_step)

    def record_with(self, file: Path, case_id: str, body: Body, *, is_new: bool) -> None:
        """Append an event that tells of a file, as ``record`` does; one that ``is_new`` goes if nothing is recorded.

        If it is not known whether it was recorded, it is sent once more, which counts once. Where that is not known
        either the file stays, and the error says what to do.
        """
        stream = Stream(kind="case", id=case_id)
        try:
            try:
                receipt = self.append(stream, body)
            except Unavailable:
                if self._sent is None or not self._sent.exists():
                    raise
                with errors_by_option():
                    receipt = send(self.session, self._sent.read_bytes(), self._sent)
        except BaseException as error:
            is_refused = isinstance(error, TallystickError) and self._sent is not None and not self._sent.exists()
            if is_refused or self._sent is None:
                if is_new:
                    file.resolve().unlink(missing_ok=True)  # not the link that leads to it
            else:
                self.session.warn(
                    Message(
                        "{file} stays until it is known whether it is recorded. Send the event again; delete the file "
                        "if that is refused.",
                        file=file,
                    )
                )
            raise
        # The record tells of the file by now, whoever reads the receipt.
        self._print(stream, body, receipt)

    def record_for_agency(self, body: Body) -> None:
        """Append an event to the stream of the officer's own agency and print the receipt."""
        self._print(self.own_agency(), body, self.append(self.own_agency(), body))

    def record_supervision(self, stream_id: str, body: Body, *, begins: bool = False) -> None:
        """Record an event of a model, lead or recommendation, the first if it ``begins``, and print the receipt."""
        stream = Stream(kind="supervision", id=stream_id)
        self._print(stream, body, (self.begin if begins else self.append)(stream, body))

    def record_supervision_of(self, stream_ids: Sequence[str], body: Body) -> None:
        """Record the same of several leads, as ``record_all`` does if there are more than one."""
        if len(stream_ids) == 1:
            self.record_supervision(stream_ids[0], body)
            return
        places = [self.place(Stream(kind="supervision", id=stream_id)) for stream_id in stream_ids]
        self.record_all([(body, place) for place in places])

    def record_all(self, acts: Sequence[tuple[Body, StreamPosition]]) -> None:
        """Record events of any streams, by one consent and all or none, and print the receipts.

        Each stands at its place, or behind the one before it of the same stream. Raises what refuses the first that is
        refused, and a Conflict if others wrote meanwhile.
        """
        with errors_by_option():
            claims = self.claims if self.session.agrees else self._ask(acts, self.claims)
            signed = sign_acts(acts, lambda body, place: self._sign(body, place, claims))
            files = [self._kept(event) for event in signed]
            recorded = send_together(self.session, [event.submission for event in signed], files)
        receipts = [_named(s.event.stream, s.event.body, receipt) for s, receipt in zip(signed, recorded, strict=True)]
        if self.session.json:
            self.session.output.data(receipts)
            return
        for receipt in receipts:
            print_receipt(self.session, receipt)

    def open_case(self, case_id: str, body: Body) -> None:
        """Open a case with its first event and print the receipt. Raises Conflict if there is such a case."""
        stream = Stream(kind="case", id=case_id)
        try:
            self._print(stream, body, self.begin(stream, body))
        except Conflict as conflict:
            raise Conflict(
                "there is a case {case_id} already", case_id=case_id, field="--case-id", hint="Choose another id."
            ) from conflict

    def _print(self, stream: Stream, body: Body, receipt: dict[str, Any]) -> None:
        print_receipt(self.session, _named(stream, body, receipt))


def reader_of_acts(session: Session) -> ActsReader:
    """Return what puts acts into words before they are signed, by records that the session's trust file verifies."""
    from ledger.client.acts_in_words import ActsReader
    from ledger.client.case_names import CaseRecords
    from ledger.procedures import books_that_ship

    records = CaseRecords(session.service, session.trust())
    return ActsReader(session.labels, session.full_name, records.names, books_that_ship)


def _named(stream: Stream, body: Body, receipt: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt with the case or lead that it is of, and the ids that the body names."""
    field = (
        "case_id"
        if stream.kind == "case"
        else "lead_id"
        if stream.kind == "supervision" and stream.id.startswith("lead-")
        else None
    )
    return ({field: stream.id} if field else {}) | ids_of(body) | receipt


def print_receipt(session: Session, receipt: Mapping[str, Any]) -> None:
    """Print a receipt for people or programs, and warn of the flags that the event raised."""
    output = session.output
    hidden = ("proof", "flags")
    output.record(receipt, None if session.json else [Column(name) for name in receipt if name not in hidden])
    for flag in convert(receipt.get("flags") or (), tuple[Flag, ...]):
        output.warn(flag_in_words(output.labels, flag))


def ids_of(body: Body) -> dict[str, Any]:
    """Return the ids in a body: of the thing that it brings in or acts on, and of the items that come of it."""
    fields = msgspec.structs.asdict(body)
    ids = {name: value for name, value in fields.items() if name.endswith("_id")}
    for name in NEW_ITEMS & fields.keys():
        parts = fields[name]
        ids[name] = [part.item_id for part in parts] if isinstance(parts, tuple) else getattr(parts, "item_id", None)
    return {name: value for name, value in ids.items() if value is not None}
