"""Sign events in the name of a profile, send them, and find out what became of them.

A submission is on disk before it is sent. The service records the same bytes once, however often they arrive. So an
unknown outcome is resolved by sending the same bytes again: the answer is the receipt.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ledger.client.exchange import Exchange
from ledger.client.requests import Requests, path_of
from ledger.client.session import ClientSession
from ledger.client.tree_heads import SignedTreeHead
from ledger.core.encoding.decoding import convert
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, SignatureRefused, TallystickError, Unavailable
from ledger.core.events import Stream, decode_submission
from ledger.core.log.checkpoints import stated_checkpoint, verify_checkpoint
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust
from ledger.recording.event_signing import Signed, StreamPosition

REBASES = 3  # an event is signed anew as often if others write between the query of the head and the submission
EVENTS = "/api/v1/events"
TOGETHER = "/api/v1/events/batch?all_or_none=true"
NDJSON = "application/x-ndjson"
SUPERVISION_SUBJECTS = ("model", "lead", "recommendation")  # what the ids of supervision streams begin with


A = TypeVar("A")


def sign_acts(acts: Iterable[tuple[A, StreamPosition]], sign: Callable[[A, StreamPosition], Signed]) -> list[Signed]:
    """Sign each act at its place, or behind the last signed one of the same stream if there is one."""
    following: dict[Stream, StreamPosition] = {}
    signed: list[Signed] = []
    for act, place in acts:
        signed.append(sign(act, following.get(place.stream, place)))
        following[place.stream] = signed[-1].following
    return signed


def placing(requests: Requests, stream: Stream) -> Exchange[StreamPosition]:
    """Ask for the place of the next event of a case, model, lead or recommendation; others raise MalformedInput."""
    if stream.kind == "case":
        head = yield from requests.get(path_of("/api/v1/cases/{}/head", stream.id))
        return StreamPosition(stream, head["sequence"], head["head"])
    if stream.kind != "supervision":
        raise MalformedInput("expected sequence and previous: heads of such streams are not told", field="sequence")
    subject, _, own_id = stream.id.partition("-")
    if subject not in SUPERVISION_SUBJECTS:
        raise MalformedInput("{stream.id} is no model, lead or recommendation", stream=stream, field="stream.id")
    own_id = stream.id if subject == "lead" else own_id  # a lead's id is the id of its stream
    view = yield from requests.get(path_of(f"/api/v1/{subject}s/{{}}", own_id))
    return StreamPosition(stream, view["sequence"] + 1, view["head"])


def appending(
    requests: Requests,
    stream: Stream,
    sign: Callable[[StreamPosition], Signed],
    send: Callable[[Signed], Exchange[dict[str, Any]]],
) -> Exchange[dict[str, Any]]:
    """Record what ``sign`` signs for a place behind the events that the stream has, and return the receipt.

    It is signed anew if others wrote meanwhile. Not everybody may read the head of an agency's stream. For such a
    stream the first attempt is signed as its first event, and the refusal carries the actual head.
    """
    place = StreamPosition(stream)
    if stream.kind != "agency":
        place = yield from placing(requests, stream)
    for _ in range(REBASES):
        try:
            return (yield from send(sign(place)))
        except Conflict as conflict:
            if conflict.code != "not_on_head" or conflict.sequence is None:
                raise
            place = StreamPosition(stream, conflict.sequence, conflict.head)
    return (yield from send(sign(place)))


def send(session: ClientSession, submission: bytes, file: Path) -> dict[str, Any]:
    """Send a submission that is kept in ``file`` and return its receipt.

    A file of an outbox is removed once the outcome is known.

    Raises:
        Unavailable: the outcome is unknown; the file is kept.
        IntegrityBroken: the service calls its log broken, the answer is no receipt for the submission, or the log is
            not the one that the profile remembers; the file is kept.
        TallystickError: the submission was refused; nothing was recorded.
    """
    return session.service.run(sending(session, submission, file))


def sending(session: ClientSession, submission: bytes, file: Path) -> Exchange[dict[str, Any]]:
    """Describe what ``send`` does."""
    hint = Message("Send it again, it counts once: tally event submit {file}", file=file)
    receipts = yield from _receiving(
        session, posting(session.service.requests, submission), (submission,), (file,), hint
    )
    return receipts[0]


def posting(requests: Requests, submission: bytes) -> Exchange[list[dict[str, Any]]]:
    """Post a submission, and return the answer, which is to be its receipt, in a list of one."""
    return [(yield from requests.post(EVENTS, submission, dict[str, Any]))]


def posting_together(requests: Requests, submissions: Sequence[bytes]) -> Exchange[list[dict[str, Any]]]:
    """Post submissions of which all are recorded or none, and return the answers, which are to be their receipts."""
    recorded = yield from requests.post(TOGETHER, b"\n".join(submissions), _BatchRecorded, content_type=NDJSON)
    return [result.receipt for result in recorded.results]


class _Recorded(Struct):
    receipt: dict[str, Any] = {}


class _BatchRecorded(Struct):
    results: list[_Recorded]


def send_together(session: ClientSession, submissions: Sequence[bytes], files: Sequence[Path]) -> list[dict[str, Any]]:
    """Send submissions, each kept in one of the ``files``, and return their receipts: all are recorded, or none.

    Raises as ``send`` does. What refuses the first that is refused is raised; nothing was recorded then.
    """
    again = "Send them again, each counts once: tally event submit --all-or-none {files}"
    hint = Message(again, files=" ".join(map(str, files)))
    post = posting_together(session.service.requests, submissions)
    return session.service.run(_receiving(session, post, submissions, files, hint))


def _receiving(
    session: ClientSession,
    post: Exchange[list[dict[str, Any]]],
    submissions: Sequence[bytes],
    files: Sequence[Path],
    hint: Message,
) -> Exchange[list[dict[str, Any]]]:
    """Return the receipts that ``post`` gets for the submissions, verified; ``hint`` says how they are sent again."""
    tree_heads = session.tree_heads()
    if tree_heads:
        # Nothing is signed into another history: the log must continue what the profile remembers of it.
        with contextlib.suppress(Unavailable):
            tree_heads.refresh()
    try:
        receipts = yield from post
    except Unavailable as error:
        raise Unavailable(
            "{error}; whether the event was recorded is not known, and it is kept",
            error=error,
            code=error.code,
            hint=hint,
        ) from error
    except TallystickError as error:
        if not isinstance(error, IntegrityBroken):
            for file in files:
                session.profiles.discard(file)
        raise
    trust = tree_heads.trust if tree_heads else None
    for verified, file in zip(require_receipts(receipts, submissions, trust), files, strict=True):
        if tree_heads:
            tree_heads.add(verified)
        session.profiles.discard(file)
    return receipts


def require_receipts(
    receipts: Sequence[dict[str, Any]], submissions: Sequence[bytes], trust: Trust | None
) -> list[SignedTreeHead]:
    """Verify that each submission has its receipt, and return the tree heads. Raises as ``require_receipt``."""
    if len(receipts) != len(submissions):
        raise IntegrityBroken("the service did not answer each event", field="results", hint=HINT)
    return [
        require_receipt(receipt, submission, trust) for receipt, submission in zip(receipts, submissions, strict=True)
    ]


HINT = Message(
    "Keep the submission and this receipt. The service may have recorded the event, another, or none: compare the log "
    "with a copy that others keep (tally log save)."
)
RENEWED = Message(
    "Keep the submission and this receipt. If the operator says that the log's key was replaced, take the renewal by "
    "tally trust accept, then send the submission again; if not, compare the log with a copy that others keep."
)


class _Receipt(Struct, frozen=True):
    event_id: str
    index: int
    leaf_hash: str
    proof: str


def require_receipt(answer: Any, submission: bytes, trust: Trust | None) -> SignedTreeHead:
    """Verify that an answer is the receipt of a submission and return the tree head that includes the entry.

    The trusted log has signed it; without a trust file the signature is not checked. Raises IntegrityBroken with the
    name of the wrong field.
    """
    sent = decode_submission(submission)
    leaf = leaf_hash(sent.envelope_bytes)
    try:
        receipt = convert(answer, _Receipt)
        _require_equal("event_id", receipt.event_id, sent.envelope.event_id)
        _require_equal("leaf_hash", receipt.leaf_hash, f"sha256:{leaf.hex()}")
        proof = parse_tlog_proof(receipt.proof)
        _require_equal("index", receipt.index, proof.index)
        if trust is not None:
            checkpoint = verify_checkpoint(proof.checkpoint, trust.log_key_of(proof.checkpoint))
        else:
            checkpoint = stated_checkpoint(proof.checkpoint)
        proof.verify_inclusion(leaf, checkpoint)
    except msgspec.ValidationError as error:
        raise IntegrityBroken("this is no receipt: {error}", error=error, field="receipt", hint=HINT) from error
    except TallystickError as error:
        field = f"receipt.{error.field}" if error.field else "receipt"
        hint = RENEWED if isinstance(error, SignatureRefused) else HINT
        raise IntegrityBroken("no receipt for the event: {error}", error=error, field=field, hint=hint) from error
    return SignedTreeHead(proof.checkpoint, checkpoint)


def _require_equal(field: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise MalformedInput(
            "expected {expected}, not {actual}", expected=expected, actual=str(actual)[:100], field=field
        )
