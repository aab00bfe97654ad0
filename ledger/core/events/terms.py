"""The vocabulary of events: identifiers, times, quantities and closed lists of words.

Every closed vocabulary is a ``Literal``. Its strings are part of the protocol; their labels in a language are not.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from ledger.core.encoding.canonical import MEANINGS
from ledger.core.messages import Message

# A pattern ends in `$(?!\n)`: `$` alone also matches before a trailing newline.
_END = r"$(?!\n)"
_DATE = (
    r"(?:[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)-02-29)"
)
_TIME = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_SLUG_64 = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?"
WORD = r"[a-z][a-z0-9_]{0,39}"
_ONE_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+"


def text(pattern: str, description: str, example: str, **extra: str) -> Meta:
    """Return what a text is: its pattern, and the words and the example that a refusal has instead of the pattern.

    ``extra`` has the ``kind`` of value, what an id ``names`` or the ``vocabulary`` of labels (see ``events.fields``).
    """
    whole = f"^{pattern}{_END}"
    described = description if isinstance(description, Message) else Message(description)
    meaning = Message("{description}, for example {example}", description=described, example=example)
    MEANINGS.setdefault(whole, meaning)
    return Meta(pattern=whole, description=str(description), examples=[example], extra=extra or None)


SLUG = Message("a slug of at most {longest} characters: a-z, 0-9 and hyphens between them")


def _slug(longest: int, description: str, example: str, names: str) -> Meta:
    """Lower-case letters and digits with hyphens between them: an id of what it ``names``.

    ``longest`` is in characters.
    """
    pattern = rf"[a-z0-9](?:[a-z0-9-]{{0,{longest - 2}}}[a-z0-9])?"
    MEANINGS[f"^{pattern}{_END}"] = Message(SLUG, longest=longest)
    return text(pattern, description, example, names=names)


def _of_case(example: str, names: str) -> Meta:
    return _slug(64, "slug of at most 64 characters, unique within the case", example, names)


# -- identifiers -------------------------------------------------------------------------------------------------------

AgencyId = Annotated[str, _slug(31, "slug of at most 31 characters", "psb-east", "agency")]
# A pseudonymous service number, never a name, because it is public on the chain.
OfficerId = Annotated[str, _slug(31, "slug of at most 31 characters", "p-0417", "officer")]
# The contract takes any, since it knows no procedure: what a kind means, the procedure of a case says.
AgencyKind = Annotated[
    str,
    text(
        r"[a-z0-9](?:[a-z0-9_]{0,29}[a-z0-9])?",
        "at most 31 characters: a-z, 0-9 and underscores between them",
        "a_kind",
        kind="line",
        vocabulary="agency_kind",
    ),
]
CaseId = Annotated[str, _slug(64, "slug of at most 64 characters, unique over all agencies", "case-7f3a", "case")]
ItemId = Annotated[str, _of_case("item-7f3a-01", "item")]
HandoverId = Annotated[str, _of_case("handover-1", "handover")]
MeasureId = Annotated[str, _of_case("measure-1", "measure")]
DecisionId = Annotated[str, _of_case("decision-1", "decision")]
CustodyChangeId = Annotated[str, _of_case("custody-1", "custody_change")]
LetterId = Annotated[str, _of_case("letter-1", "letter")]
HoldId = Annotated[str, _of_case("hold-1", "hold")]
DatasetId = Annotated[str, _slug(64, "slug of at most 64 characters", "pensions-2026", "dataset")]
StreamId = Annotated[str, _slug(64, "slug of at most 64 characters", "case-7f3a", "stream")]
StocktakeId = Annotated[
    str, _slug(64, "slug of at most 64 characters, unique within the agency", "stocktake-1", "stocktake")
]
# Of a discrepancy that a side raises; those that an acceptance states have no event of their own.
RaisedDiscrepancyId = Annotated[str, _of_case("short-1", "discrepancy")]
DiscrepancyId = Annotated[
    str,
    text(
        f"{_SLUG_64}(?:/{_SLUG_64})?",
        "a slug, or handover_id/item_id for a difference stated with the acceptance",
        "handover-1/item-7f3a-01",
        names="discrepancy",
    ),
]
DeadlineId = Annotated[
    str,
    text(
        rf"{WORD}/{_SLUG_64}/(?:0|[1-9][0-9]{{0,8}})",
        "clock/subject/sequence: the clock's name, the person, item or case, the sequence of the event that started it",
        "remedy/handover-1/12",
        names="deadline",
    ),
]
ClockName = Annotated[str, text(WORD, "name of a clock in the rules", "remedy", names="clock")]
ExtensionName = Annotated[str, text(WORD, "name of an extension in the rules", "longer", names="extension")]
ProcedureId = Annotated[str, _slug(48, "slug of at most 48 characters", "a-procedure", "procedure")]
ModelId = Annotated[str, _slug(48, "slug of at most 48 characters", "item-not-handed-over", "model")]
LeadId = Annotated[
    str,
    text(
        r"lead-[0-9a-f]{32}",
        "lead- and the first 32 hex digits of its finding's digest",
        "lead-" + "5f" * 16,
        names="lead",
    ),
]
RecommendationId = Annotated[str, _slug(49, "slug of at most 49 characters", "2026-7-east", "recommendation")]
Column = Annotated[str, text(r"[a-z][a-z0-9_]{0,63}", "name of a column or parameter", "case_id")]
PersonId = Annotated[str, text(r"[0-9a-f]{32}", "keyed digest of the person's identity", "5f" * 16, names="person")]
EventId = Annotated[
    str,
    text(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        "UUIDv7, lower case",
        "01940000-0000-7000-8000-000000000000",
    ),
]
KeyId = Annotated[str, text(r"0x[0-9a-f]{40}", "address in lower-case hex", "0x" + "1a" * 20)]
EventTypeName = Annotated[str, text(r"[a-z_]{1,24}\.[a-z_]{1,24}", "event type, subject.verb", "handover.offered")]
SectionField = Annotated[str, text(r"[a-z][a-z0-9_]{0,31}", "name of a section's field", "name")]
VALUE_FIELD = "value"  # of the section of a confidential field of a kind
NAME_FIELD = "name"  # of the section of a person: papers print the person by it
PERSON_NAME = "person_name"  # the word by which the labels have that field
SectionLabel = Annotated[
    str, text(r"[a-z][a-z0-9_]{0,31}(?::[1-9][0-9]{0,3})?", "section label", "person:1", names="section")
]
Jurisdiction = Annotated[
    str, text(r"[a-z0-9]{1,16}(?:/[a-z0-9]{1,16}){0,4}", "path in the tree province/city/county", "31/01/05")
]

MAX_PACKAGE = 512 * 1024  # bytes of a procedure package in its canonical form; no other text of an event is as long

# -- bytes, times, amounts ---------------------------------------------------------------------------------------------

Digest = Annotated[
    str,
    text(
        r"(?:blake3|sha256|sm3):[0-9a-f]{64}", "digest that names its algorithm", "sha256:" + "00" * 32, kind="digest"
    ),
]
Blake3 = Annotated[str, text(r"blake3:[0-9a-f]{64}", "BLAKE3-256 digest", "blake3:" + "00" * 32)]
LeafHash = Annotated[str, text(r"sha256:[0-9a-f]{64}", "leaf hash of an entry (RFC 6962)", "sha256:" + "00" * 32)]
Bytes32 = Annotated[str, text(r"0x[0-9a-f]{64}", "32 bytes, lower-case hex", "0x" + "00" * 32)]
Salt = Annotated[str, text(r"[0-9a-f]{32}", "16 random bytes, lower-case hex", "00" * 16)]
Suite = Annotated[int, Meta(ge=1, le=255)]  # of signatures: which bytes are signed, and how
EnvelopeSignature = Annotated[
    str, text(r"0x(?:[0-9a-f]{2}){1,16384}", "signature as its suite makes it, lower-case hex", "0x" + "1b" * 65)
]
SignatureText = Annotated[str, text(r"0x[0-9a-f]{130}", "r, s, v: 65 bytes, lower-case hex", "0x" + "1b" * 65)]
Date = Annotated[str, text(_DATE, "calendar date, in the time zone of the procedure", "2026-03-01", kind="day")]
Instant = Annotated[
    str, text(f"{_DATE}{_TIME}Z", "RFC 3339 in UTC, whole seconds", "2026-03-01T08:30:00Z", kind="moment")
]
SafeInt = Annotated[int, Meta(ge=0, le=2**53 - 1)]
UnixSeconds = Annotated[int, Meta(ge=0, le=32_503_679_999)]  # of a time that an Instant can say, before the year 3000
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
MAX_DECIMALS = 18  # as the finest units of virtual currencies have
DecimalText = Annotated[
    str,
    text(
        rf"(?:0|[1-9][0-9]{{0,14}})(?:\.[0-9]{{0,{MAX_DECIMALS - 1}}}[1-9])?",
        Message("decimal in its shortest spelling, with at most {digits} digits after the point", digits=MAX_DECIMALS),
        "12.5",
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=4000, extra={"kind": "text"})]
Definition = Annotated[str, Meta(min_length=1, max_length=32_000, extra={"kind": "text"})]
PackageText = Annotated[str, Meta(min_length=2, max_length=MAX_PACKAGE)]
Line = Annotated[str, text(_ONE_LINE, "one line of text", "volume 2"), Meta(max_length=200)]
Language = Annotated[
    str, text(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?", "language of a text, of a country if need be", "pt-PT")
]
Delimiter = Annotated[str, text(r"[\t!#-/:-@\[-`{-~]", "one sign that separates cells", ",")]
Number = Annotated[
    str, text(_ONE_LINE, "number of a paper, as written on it, in one line", "2026-0417"), Meta(max_length=100)
]


class Value(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Base of all parts of an event: immutable, strict, and without bytes for absent optional fields."""


CurrencyCode = Annotated[str, text(r"[A-Z]{3}", "ISO 4217", "CNY")]


class Money(Value, frozen=True):
    """An amount in the smallest unit of the currency by ISO 4217: 1250 CNY are 12.50, 1250 JPY are 1250."""

    amount: SafeInt
    currency: CurrencyCode


class EventRef(Value, frozen=True):
    """Points at one event by its payload digest; ``event_id`` lets a reader find it."""

    event_id: EventId
    payload_digest: Blake3


# -- words of the procedure --------------------------------------------------------------------------------------------
# Which words there are, the procedure of the case says; of leads and recommendations, those in force:
# ``ledger.core.procedure.event_words.require_words`` compares them.


_WHOLE_WORD = f"^{WORD}{_END}"
MEANINGS[_WHOLE_WORD] = Message("a word: a-z, 0-9 and underscores, at most 40 characters")
Word = Annotated[str, Meta(pattern=_WHOLE_WORD)]  # of a package, and of no vocabulary that events name


TABLE_OF = {"agency_kind": "kinds"}  # by vocabulary, the table of the procedure that has its words


def _word(vocabulary: str, table: str) -> Meta:
    TABLE_OF[vocabulary] = table
    description = "word of the case's procedure"
    return Meta(pattern=_WHOLE_WORD, description=description, examples=["a_word"], extra={"vocabulary": vocabulary})


BusinessLine = Annotated[str, _word("business_line", "lines")]
Stage = Annotated[str, _word("stage", "stages")]
Trial = Annotated[str, _word("trial", "trials")]
PersonRole = Annotated[str, _word("person_role", "persons")]
Measure = Annotated[str, _word("measure", "measures")]
DecisionKind = Annotated[str, _word("decision_kind", "decisions")]
QualifyingGround = Annotated[str, _word("qualifying_ground", "grounds")]
ExclusionGround = Annotated[str, _word("exclusion_ground", "exclusions")]
ItemKind = Annotated[str, _word("item_kind", "items")]
Disposal = Annotated[str, _word("disposal", "disposals")]
Purpose = Annotated[str, _word("purpose", "purposes")]
ReasonCode = Annotated[str, _word("reason_code", "reasons")]
Remedy = Annotated[str, _word("remedy", "remedies")]
LetterKind = Annotated[str, _word("letter_kind", "letters")]
OutsiderKind = Annotated[str, _word("outsider_kind", "outsiders")]
Service = Annotated[str, _word("service", "services")]
HoldKind = Annotated[str, _word("hold_kind", "holds")]
ErasureGround = Annotated[str, _word("erasure_ground", "erasures")]
LeadOutcome = Annotated[str, _word("lead_outcome", "outcomes")]
RecommendationKind = Annotated[str, _word("recommendation_kind", "recommendations")]
Escalation = Annotated[str, _word("escalation", "escalations")]
QuantityUnit = Annotated[str, _word("quantity_unit", "units")]
Aspect = Annotated[str, _word("aspect", "aspects")]
CaseRelation = Annotated[str, _word("case_relation", "relations")]
Particular = Annotated[str, _word("particular", "fields")]


class Quantity(Value, frozen=True):
    """``value`` in units of ``unit``, whose row in the procedure says how many decimals it has."""

    value: DecimalText
    unit: QuantityUnit


# -- closed vocabularies -----------------------------------------------------------------------------------------------

StreamKind = Literal["case", "agency", "supervision", "system"]
# What agencies of a kind may do for others: the code asks for these, never for a kind by its name.
Trait = Literal["supervises", "keeps_persons"]
Role = Literal["clerk", "supervisor", "auditor", "analyst", "witness"]
SealState = Literal["intact", "broken", "missing", "unsealed"]
MatchResult = Literal["match", "mismatch", "not_checked"]
CheckResult = Literal["passed", "failed", "not_applicable"]
DiscrepancyKind = Literal["quantity", "seal", "digest", "condition", "missing", "surplus", "location"]
# What the record says of a thing that was counted; a place, another holder and a seal are named beside it.
RecordedAs = Literal[
    "placed", "unplaced", "checked_out", "held_elsewhere", "split", "merged", "disposed", "left", "sealed", "unsealed"
]
ChangeInCount = Literal["came", "gone"]  # into the room that is counted, or out of it
HoldScope = Literal["case", "items", "sections"]
Severity = Literal["low", "medium", "high"]
DismissalReason = Literal["explained", "lawful", "data_error", "remedied", "already_known", "other"]
RecheckResult = Literal["fell", "recurs", "unchanged"]
CountedBy = Literal["service", "officer"]
ReviewResult = Literal["upheld", "changed", "withdrawn"]
Verdict = Literal["intact", "tampered", "other_ledger", "unverifiable", "not_yet_anchored"]
# Of an audit, which may go on from an earlier one: then what it did not read again is not intact by it.
AuditVerdict = Literal["intact", "continued", "tampered", "unverifiable", "not_yet_anchored"]


# The closed vocabularies that fields of bodies have, by the name that their labels have.
CLOSED = {
    "role": Role,
    "seal_state": SealState,
    "match_result": MatchResult,
    "check_result": CheckResult,
    "discrepancy_kind": DiscrepancyKind,
    "recorded_as": RecordedAs,
    "change_in_count": ChangeInCount,
    "hold_scope": HoldScope,
    "severity": Severity,
    "dismissal_reason": DismissalReason,
    "recheck_result": RecheckResult,
    "counted_by": CountedBy,
    "review_result": ReviewResult,
    "verdict": AuditVerdict,
}


def choices(vocabulary: Any) -> tuple[str, ...]:
    """Return the words of a closed vocabulary, in their order."""
    return tuple(vocabulary.__args__)
