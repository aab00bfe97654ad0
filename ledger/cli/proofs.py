"""Proof bundles at the command line: choose the trust file, and verify."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.messages import Message

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.cli.options import Node
    from ledger.cli.session import Session
    from ledger.core.procedure.adoption import Procedures
    from ledger.core.trust.trust_file import ChainHistory, Trust
    from ledger.core.verification.chain import ObservedBlock
    from ledger.core.verification.heads import AbsenceReport
    from ledger.core.verification.report import ProofReport
    from ledger.core.verification.stream import StreamReport
    from ledger.interchange.papers.certified import Certified
    from ledger.interchange.papers.paper_text import PaperLanguage

# What a bundle is handed over in: how such a file begins, what it is, and how the bundle is taken out.
_AROUND = (
    (
        b"%PDF-",
        Message("a PDF"),
        Message(
            "A certificate has its bundle attached: save the attachment with a reader of PDF files, and check that."
        ),
    ),
    (b"PK", Message("a ZIP archive"), Message("Unpack it: an exported case has its bundles in data/Proofs.")),
)
OURS, BUNDLE, LEAD, TRUST = "tallystick/", "bundle", "lead", "trust"  # parts of a format, such as tallystick/bundle@v1
_PLACED = Message("What is checked stands first, the trust file behind --trust: tally proof check BUNDLE --trust TRUST")
# What to do with another file of ours than was expected.
_CHECKED_BY = {
    BUNDLE: Message("A bundle is checked by tally proof check."),
    LEAD: Message("A lead file is checked by tally lead verify."),
}


def verify(
    data: bytes, trust: Trust, log_folder: str | None, node: Node | None = None, procedures: Procedures | None = None
) -> ProofReport | StreamReport | AbsenceReport:
    """Verify a bundle of an event, a case, a model, another stream or an absence and return the report.

    ``log_folder`` is a copy of the log. ``procedures`` are in force for this reader, besides those that the bundle
    carries. A ``node`` is asked for the blocks that the bundle ends in. Raises MalformedInput, and Unavailable if it is
    silent.
    """
    blocks = blocks_at_node(node, data, trust)
    head = _head(data)
    if head.absent.kind:
        from ledger.core.verification.heads import verify_absence

        return verify_absence(data, trust, observed=blocks)
    stream = head.stream
    if stream.kind == "case":
        from ledger.core.procedure.adoption import Procedures
        from ledger.core.verification.case import verify_case

        return verify_case(data, trust, procedures or Procedures(), entries=_entries(log_folder), observed=blocks)
    if stream.kind:
        from ledger.core.supervision.model_package import is_model, verify_package
        from ledger.core.verification.stream import verify_stream

        verify_one = verify_package if is_model(stream.kind, stream.id) else verify_stream
        return verify_one(data, trust, entries=_entries(log_folder), observed=blocks)
    from ledger.core.verification.verify import verify_event

    return verify_event(data, trust, observed=blocks).report


def verify_with_entry(
    data: bytes, entry: BinaryIO | None, session: Session, files: Iterable[BinaryIO]
) -> tuple[ProofReport, Trust]:
    """Verify a COSE receipt with its entry; return the report, and of the trust files the one of its log, which counts.

    Raises MalformedInput, also without an entry.
    """
    from ledger.core.log.cose_receipts import parse_receipt
    from ledger.core.verification.receipts import verify_receipt

    if entry is None:
        raise MalformedInput(
            "a receipt is checked with the entry that it is of",
            field="--entry",
            hint="'tally proof get --cose' writes the entry beside the receipt.",
        )
    trusted = _trusted(session, files)
    try:
        issuer = parse_receipt(data).issuer
    except MalformedInput:  # step 1 will say so
        issuer = None
    trust = next((trust for trust in trusted if trust.origin == issuer), trusted[0])
    try:
        return verify_receipt(data, entry.read(), trust), trust
    except MalformedInput as error:
        raise error.amended(field="--entry") from error


def take_receipt(session: Session, index: int, entry: bytes, target: Path) -> None:
    """Fetch the COSE receipt of an entry, and write both, the entry to ``target`` with the ending ``.entry.json``."""
    from ledger.cli.files import STANDARD_OUTPUT, opened_output, save
    from ledger.client.log_copy import fetch_receipt

    if target == STANDARD_OUTPUT:
        raise MalformedInput("expected the name of a file: the entry is written beside it", field="--output")
    beside = target.with_suffix(".entry.json")
    receipt = fetch_receipt(session, index, entry)
    with opened_output(session, beside) as opened:
        opened.write(entry)
    save(session, target, receipt, entry=str(beside))


def entry_of(bundle: bytes) -> tuple[int, bytes]:
    """Return the index and the entry of a bundle that was checked (``require_asked``)."""
    from ledger.core.encoding import canonical
    from ledger.core.verification.bundle import decode_bundle

    entry = decode_bundle(bundle).require_event()
    return entry.index, canonical.encode(entry.envelope)


def certificate_of(
    data: bytes,
    trust: Trust,
    language: PaperLanguage,
    log_folder: str | None,
    node: Node | None,
    *,
    verify_url: str | None,
    item_id: str | None,
) -> tuple[Certified, bytes]:
    """Return what a bundle proves, and the certificate of it as a PDF."""
    from ledger.core.procedure.adoption import Procedures
    from ledger.interchange.papers.certificate import CertificateRequest, certificate
    from ledger.interchange.papers.certified import certify
    from ledger.interchange.papers.typeset import typeset

    entries = _entries(log_folder)
    certified = certify(data, trust, Procedures(), entries=entries, observed=blocks_at_node(node, data, trust))
    request = CertificateRequest(data, trust, Procedures(), language, verify_url, item_id)
    return certified, typeset(certificate(request, certified), data.decode())


def blocks_at_node(node: Node | None, data: bytes, trust: Trust) -> tuple[ObservedBlock, ...]:
    """Return what the node has at the block that a bundle ends in, or nothing without a node."""
    if node is None:
        return ()
    from ledger.cli.own_node import OwnNode

    own, ends_in = OwnNode(node, trust), anchor_block(data)
    block = own.observed_block(ends_in[1]) if ends_in and ends_in[0] == own.chain.identity else None
    return (block,) if block else ()


def anchor_block(data: bytes) -> tuple[ChainHistory, int] | None:
    """Return the block, by chain and number, that a bundle's anchor ends in. Nothing is verified.

    Raises MalformedInput for what is no bundle.
    """
    from ledger.core.ethereum.block_headers import read_header
    from ledger.core.verification.bundle import decode_bundle

    anchor = decode_bundle(data).anchor
    if anchor:
        with suppress(MalformedInput):  # the step on the block will say so
            return (anchor.chain, read_header(bytes.fromhex(anchor.header[2:])).number)
    return None


def _entries(log_folder: str | None) -> Iterator[bytes] | None:
    if log_folder is None:
        return None
    from pathlib import Path

    from ledger.client.log_copy import stored_entries

    return stored_entries(Path(log_folder))


def require_asked(
    session: Session, data: bytes, *, event_id: str | None = None, case_id: str | None = None, absent: str | None = None
) -> None:
    """Check that a bundle is the one that was asked for, is whole, by the log's key, and was not tampered with.

    ``absent`` is kind and id of a stream that the log does not have.

    The latter is checked if the profile has a trust file. Raises IntegrityBroken: a proof of something else holds too,
    and nobody would notice.
    """
    from ledger.core.verification.bundle import decode_bundle
    from ledger.core.verification.report import FAILED

    bundle = decode_bundle(data)
    if case_id is not None:
        actual, asked = bundle.require_stream("case").id, case_id
    elif absent is not None:
        stream = bundle.require_absent()
        actual, asked = f"{stream.kind} {stream.id}", absent
    else:
        actual, asked = bundle.require_event().envelope.event_id, event_id or ""
    if actual != asked:
        raise IntegrityBroken(
            "the service gave the proof of {actual}, not of {asked}", actual=actual, asked=asked, field="bundle"
        )
    trust = session.trust()
    if trust is not None:
        report = verify(data, trust, None)
        fault = next((step for step in report.refusals if "intact" != step.verdict == report.verdict), None)
        if fault is not None:
            why = Message("step {fault.number}, {fault.name}: {fault.detail}", fault=fault)
            raise FAILED.get(report.verdict, IntegrityBroken)(why, field="bundle")
        if report.completeness.result == "contradicted":
            raise IntegrityBroken(
                "the bundle is not whole: {detail}", detail=report.completeness.detail, field="bundle"
            )


def is_receipt(data: bytes) -> bool:
    """Return whether a file claims to be a COSE receipt: it begins with CBOR's tag 18, as no text does."""
    return data[:1] == b"\xd2"


def is_case_bundle(data: bytes) -> bool:
    """Return whether a bundle claims to be of a whole case."""
    return _head(data).stream.kind == "case"


def ledger_of(data: bytes) -> str:
    """Return the id of the ledger that a bundle claims to be of."""
    return _head(data).log_id


def trust_for(session: Session, data: bytes, files: Iterable[BinaryIO]) -> Trust:
    """Return the trust file for a bundle: one of ``files``, or else the profile's.

    If none is of its ledger it is the first one, against which the bundle then fails. Raises MalformedInput.
    """
    trusted = _trusted(session, files)
    require_format(data, BUNDLE, "FILE")
    log_id = _head(data).log_id
    return next((trust for trust in trusted if trust.log_id_text == log_id), trusted[0])


def _trusted(session: Session, files: Iterable[BinaryIO]) -> list[Trust]:
    """Return the trust files that were given, or else the profile's. Raises MalformedInput for two of one ledger."""
    from ledger.core.trust.trust_file import parse_trust

    trust_files = [require_format(file.read(), TRUST, "--trust") for file in files]
    trusted = [parse_trust(file) for file in trust_files or [trust_of_profile(session)]]
    if len({trust.log_id for trust in trusted}) < len(trusted):
        raise MalformedInput(
            "two trust files are of one ledger",
            field="--trust",
            hint="Give the one that you trust: the check would be by the first alone.",
        )
    return trusted


def trust_of_profile(session: Session) -> bytes:
    """Return the bytes of the trust file that the profile has pinned. Raises MalformedInput if there is none."""
    if session.profile_name or len(session.profiles.names()) == 1:
        file = session.profiles.trust(session.profile)
        if file.exists():
            return file.read_bytes()
    raise MalformedInput(
        "there is no trust file",
        field="--trust",
        hint="A proof is checked against what you trust, never against itself: get it with 'tally log trust', "
        "compare it with what the ledger's agencies have published, then keep it with 'tally log trust --pin'.",
    )


def require_format(data: bytes, kind: str, field: str) -> bytes:
    """Return the bytes of a file. Raises MalformedInput for another file of ours, or one of a later release."""
    for beginning, described, hint in _AROUND:
        if data.startswith(beginning):
            raise MalformedInput(
                "expected a {kind} file, not {described}",
                kind=kind,
                described=described,
                field=field,
                hint=hint if kind == BUNDLE else None,
            )
    file_format = _head(data).format
    if (name := file_format.removeprefix(f"{OURS}{kind}@v")) != "1" and name.isdecimal() and name[0] != "0":
        raise MalformedInput(
            "the file is of a newer release, whose format is {file_format}",
            file_format=file_format,
            field=field,
            hint="Take a newer release of this program.",
        )
    if file_format.startswith(OURS) and kind not in file_format:
        raise MalformedInput(
            "expected a {kind} file, not one of the format {file_format}",
            kind=kind,
            file_format=file_format,
            field=field,
            hint=_CHECKED_BY.get(name.removeprefix(OURS).partition("@")[0], _PLACED) if kind != TRUST else _PLACED,
        )
    return data


class _StreamHead(Struct, frozen=True):
    kind: str = ""
    id: str = ""


class _Head(Struct):
    """Format, ledger and stream that a bundle claims, or claims to be absent: enough to choose by, and not verified."""

    format: str = ""
    log_id: str = ""
    stream: _StreamHead = _StreamHead()
    absent: _StreamHead = _StreamHead()


def _head(data: bytes) -> _Head:
    try:
        return decode_json(data, _Head)
    except (msgspec.DecodeError, RecursionError):
        return _Head()
