"""Builders of what a client makes: keys, officers, signed events, registries. They know no store and no network.

Everything is deterministic: keys, salts and event ids come from labels, time from a start that is moved by a step.
``tests.testkit.casework`` builds whole cases on top.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from coincurve import PrivateKey
from msgspec import inspect
from msgspec.structs import replace

from ledger.core.custody.claimed_times import begins_at, times_of
from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput, RuleRefused, TallystickError
from ledger.core.ethereum import contract_changes
from ledger.core.events import (
    EVENT_TYPES,
    SYSTEM_STREAM_ID,
    Authority,
    Body,
    Envelope,
    Event,
    Payload,
    Section,
    Stream,
    encode_submission,
    make_event,
    registry,
    unsigned_envelope,
)
from ledger.core.events.registry import AgencyProfile, ChangeLocation, RegistryChange
from ledger.core.events.terms import AgencyKind, EventRef, Role
from ledger.core.signing import authority as authorities
from ledger.core.signing.authority import SERVICE_AGENCY, SERVICE_OFFICER, Agency, AuthorityState
from ledger.core.signing.signatures import address_of, signing_hash
from ledger.procedures import shipped_rulebook

START = 1772413200  # 2026-03-02T01:00:00Z, nine in the morning in Shanghai
LOG_ID = sha256(b"the ledger of the tests").digest()

POLICE, PROCURATORATE, COURT, PRISON = "police-east", "procuratorate-east", "court-east", "prison-north"
DETENTION, DEPOT, LAB = "detention-east", "depot-east", "lab-east"
UPPER_COURT = "court-north"
UPPER = "procuratorate-city"  # above that of the district
NEIGHBOUR, FAR_POLICE = "procuratorate-west", "police-west"  # of another district
PARALLEL = "procuratorate-twin"  # of one whose path begins with the same letters
KINDS: dict[str, AgencyKind] = {
    POLICE: "public_security",
    PROCURATORATE: "procuratorate",
    COURT: "court",
    UPPER_COURT: "court",
    PRISON: "judicial_administration",
    DETENTION: "detention_house",
    DEPOT: "property_custodian",
    LAB: "forensic_lab",
    UPPER: "procuratorate",
    NEIGHBOUR: "procuratorate",
    PARALLEL: "procuratorate",
    FAR_POLICE: "public_security",
}
JURISDICTION = "31/01"  # of whom nothing else is said
JURISDICTIONS = {UPPER: "31", NEIGHBOUR: "31/02", FAR_POLICE: "31/02", PARALLEL: "31/010"}


# -- keys and officers -------------------------------------------------------------------------------------------------


@cache
def secret_key(label: str) -> PrivateKey:
    """Return the secp256k1 key of ``label``, always the same."""
    return PrivateKey(sha256(f"key of {label}".encode()).digest())


@cache
def key_id(label: str) -> str:
    """Return the address of the key of ``label``."""
    return address_of(secret_key(label).public_key)


def signature_of(digest: bytes, key: PrivateKey) -> bytes:
    """r || s || v with v 27 or 28, as wallets give it."""
    signed = key.sign_recoverable(digest, hasher=None)
    return signed[:64] + bytes((27 + signed[64],))


@dataclass(frozen=True)
class Officer:
    """An officer of an agency, with one key."""

    officer_id: str
    agency: str
    roles: tuple[Role, ...] = ("clerk",)

    @property
    def label(self) -> str:
        return f"{self.officer_id} of {self.agency}"

    @property
    def key(self) -> PrivateKey:
        return secret_key(self.label)

    @property
    def key_id(self) -> str:
        return key_id(self.label)


def clerk(agency: str, number: int = 1) -> Officer:
    """Return the agency's clerk of this number: an officer whose id no other agency has."""
    return Officer(f"{agency}-c{number}", agency)


def supervisor(agency: str) -> Officer:
    """Return the agency's supervisor."""
    return Officer(f"{agency}-s", agency, ("supervisor",))


def auditor(agency: str) -> Officer:
    """Return the agency's auditor."""
    return Officer(f"{agency}-a", agency, ("auditor",))


def analyst(agency: str) -> Officer:
    """Return the agency's analyst."""
    return Officer(f"{agency}-n", agency, ("analyst",))


SERVICE = Officer(SERVICE_OFFICER, SERVICE_AGENCY, ())


class ServiceKeyHolder(Officer):
    """Somebody who signs with the service's own key, in his own name."""

    @property
    def label(self) -> str:
        return SERVICE.label


# -- events ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignedEvent:
    """A signed event with the bytes of its parts."""

    envelope: Envelope
    payload: Payload[Body]
    sections: dict[str, Section] = field(default_factory=dict)

    @cached_property
    def event(self) -> Event:
        """Return it as the rules read it."""
        return make_event(self.envelope, self.payload, self.entry)

    @property
    def submission(self) -> bytes:
        return encode_submission(self.envelope, self.payload, self.sections)

    @property
    def payload_bytes(self) -> bytes:
        return canonical.encode(self.payload)

    @property
    def entry(self) -> bytes:
        return canonical.encode(self.envelope)

    @property
    def digest(self) -> str:
        return self.envelope.payload_digest

    @property
    def ref(self) -> EventRef:
        return self.event.ref


def instant(seconds: int) -> str:
    """RFC 3339 in UTC of unix seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def event_id(label: str, seconds: int = START) -> str:
    """Return the UUIDv7 of ``label``, minted at ``seconds``."""
    stamp, noise = f"{seconds * 1000:012x}", sha256(label.encode()).hexdigest()
    return f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-8{noise[3:6]}-{noise[6:18]}"


def salt(label: str) -> str:
    """16 bytes of hex, always the same for ``label``."""
    return sha256(f"salt of {label}".encode()).hexdigest()[:32]


def section(label: str = "narrative", **fields: str) -> Section:
    """Return a confidential section, salted by its label."""
    return Section(salt=salt(label), fields=fields or {"text": "withheld from all but the parties"})


def payload_of(body: Body, by: Officer, **fields: Any) -> Payload[Body]:
    """Return a payload by ``by``; ``fields`` replace the defaults."""
    defaults = {"officer": by.officer_id, "occurred_at": instant(START), "salt": salt("case-1 0")}
    return Payload(body=body, **(defaults | fields))


def stream_for(body: Body, by: Officer) -> Stream:
    """Return a stream of the first kind that the body's event type may stand in."""
    kind = next(row.streams[0] for row in EVENT_TYPES.values() if row.body is type(body))
    ids = {"case": "case-1", "agency": by.agency, "system": SYSTEM_STREAM_ID, "supervision": "model-1"}
    return Stream(kind=kind, id=ids[kind])


def envelope_of(payload: Payload[Any], by: Officer, *, log_id: bytes = LOG_ID, **fields: Any) -> Envelope:
    """Return the envelope of the payload as its stream's first event, signed by ``by``.

    ``fields`` replace what is signed.
    """
    stream = fields.get("stream") or stream_for(payload.body, by)
    place = {
        "event_id": event_id(f"{stream.kind} {stream.id} {fields.get('sequence', 0)}"),
        "stream": stream,
        "sequence": 0,
        "previous": None,
        "agency": by.agency,
        "key_id": by.key_id,
        "signed_at": START + 30,
    }
    return signed(replace(unsigned_envelope(payload, **place), **fields), by, log_id)


def signed(envelope: Envelope, by: Officer, log_id: bytes = LOG_ID) -> Envelope:
    """Return the envelope under the signature of ``by``."""
    return replace(envelope, signature="0x" + signature_of(signing_hash(envelope, log_id), by.key).hex())


def event_of(
    body: Body,
    by: Officer,
    *,
    sections: dict[str, Section] | None = None,
    log_id: bytes = LOG_ID,
    **fields: Any,
) -> SignedEvent:
    """Return a whole event; ``sections`` are committed to, ``fields`` replace defaults of envelope and payload."""
    sections = sections or {}
    if sections:
        fields["confidential"] = {label: blake3_text(canonical.encode(part)) for label, part in sections.items()}
    content = {name: fields.pop(name) for name in Payload.__struct_fields__ if name in fields}
    stream = fields.get("stream") or stream_for(body, by)
    content.setdefault("salt", salt(f"{stream.kind} {stream.id} {fields.get('sequence', 0)}"))
    payload = payload_of(body, by, **content)
    return SignedEvent(envelope_of(payload, by, log_id=log_id, **fields), payload, sections)


def _latest_claim(body: Body, occurred_at: str | None) -> int:
    """Return the last time that an event claims of what has happened: nobody signs it before."""
    claims = [at for _, at in times_of(body)]
    return max((begins_at(at, shipped_rulebook().zone) for at in (*claims, occurred_at) if at is not None), default=0)


class Writer:
    """Writes one stream, each event on the one before; each act comes ``step`` seconds after the last."""

    def __init__(
        self, kind: str, stream_id: str, *, start: int = START, step: int = 60, log_id: bytes = LOG_ID
    ) -> None:
        self.stream = Stream(kind=kind, id=stream_id)  # type: ignore[arg-type]
        self.events: list[SignedEvent] = []
        self.now = start
        self._step = step
        self._log_id = log_id

    @property
    def last(self) -> SignedEvent:
        return self.events[-1]

    def draft(self, body: Body, by: Officer, **fields: Any) -> SignedEvent:
        """Return the next event of the stream, not written yet."""
        sequence = len(self.events)
        label = f"{self.stream.kind} {self.stream.id} {sequence}"
        place: dict[str, Any] = {
            "stream": self.stream,
            "sequence": sequence,
            "previous": self.last.event.leaf_hash if self.events else None,
            "event_id": event_id(label, self.now),
            "occurred_at": instant(self.now),
            "signed_at": max(self.now + 30, _latest_claim(body, fields.get("occurred_at"))),
            "log_id": self._log_id,
        }
        return event_of(body, by, **(place | fields))

    def write(self, body: Body, by: Officer, **fields: Any) -> SignedEvent:
        """Return the next event of the stream."""
        self.events.append(self.draft(body, by, **fields))
        self.now += self._step
        return self.last


# -- registries --------------------------------------------------------------------------------------------------------


class Registry:
    """The contract's changes as the log mirrors them, with true numbers and rolling hashes.

    ``authority`` is folded along: the change that is added n-th stands at log index ``first`` + n - 1.
    """

    def __init__(self, *, first: int = 0) -> None:
        self.authority: AuthorityState = authorities.initial(LOG_ID, SERVICE.key_id, shipped_rulebook().traits)
        self.bodies: list[RegistryChange] = []
        self._next = first

    def add(self, change: type[RegistryChange], **fields: Any) -> RegistryChange:
        """Mirrors one change at the next index."""
        number = self.authority.changes + 1
        draft = change(number=number, registry_hash="0x" + "00" * 32, location=location(number), **fields)
        rolled = contract_changes.registry_hash(self.authority.registry_hash, draft)
        body = replace(draft, registry_hash="0x" + rolled.hex())
        self.authority = authorities.fold(self.authority, body, self._next)
        self.bodies.append(body)
        self._next += 1
        return body

    def admit(self, *agencies: str) -> Registry:
        for agency in agencies:
            admin = key_id(f"admin of {agency}")
            self.add(registry.AgencyAdmitted, agency=agency, kind=KINDS[agency], admin=admin, profile=profile(agency))
        return self

    def grant(self, *officers: Officer, **terms: Any) -> Registry:
        for officer in officers:
            defaults = {
                "agency": officer.agency,
                "key_id": officer.key_id,
                "officer": officer.officer_id,
                "roles": officer.roles,
                "suite": 1,
                "valid_from": START - 86_400,
                "valid_until": START + 365 * 86_400,
            }
            self.add(registry.KeyGranted, **(defaults | terms))
        return self

    def revoke(self, officer: Officer) -> Registry:
        self.add(registry.KeyRevoked, agency=officer.agency, key_id=officer.key_id)
        return self


def authority_with(*officers: Officer) -> AuthorityState:
    """Return the authority of a log whose first entries admit the officers' agencies and grant their keys."""
    agencies = dict.fromkeys(officer.agency for officer in officers)
    return Registry().admit(*agencies).grant(*officers).authority


def founder(agency: str, **fields: Any) -> dict[str, Any]:
    """Return the agency as a founding file names it."""
    return {
        "agency_id": agency,
        "kind": KINDS[agency],
        "admin": key_id(f"admin of {agency}"),
        "jurisdiction": "31/01",
        "name": {"en": agency, "zh": agency},
    } | fields


def profile(agency: str) -> AgencyProfile:
    """Return an agency's public profile."""
    return AgencyProfile(
        jurisdiction=JURISDICTIONS.get(agency, JURISDICTION), name={"en": agency, "zh": f"{agency}机关"}
    )


def admitted_agency(name: str, index: int = 0) -> Agency:
    """Return an agency as the log admitted it at this index, with the traits of its kind."""
    return Agency(name, KINDS[name], profile(name), key_id(name), index, traits=shipped_rulebook().traits[KINDS[name]])


def location(number: int) -> ChangeLocation:
    """Where the change of this number would stand on a chain of one change a block."""
    return ChangeLocation(
        block_number=number,
        block_hash="0x" + sha256(b"block %d" % number).hexdigest(),
        transaction_hash="0x" + sha256(b"transaction %d" % number).hexdigest(),
    )


def path_of(field: str) -> str:
    """Return the path of a field that a rule names: within the envelope, or within the payload."""
    return f"{'envelope' if field.partition('.')[0] in Envelope.__struct_fields__ else 'payload'}.{field}"


@contextmanager
def refused(code: str, *, field: str | None = None, error: type[TallystickError] = RuleRefused) -> Iterator[None]:
    """Require that the block is refused under this code, naming the field."""
    with pytest.raises(error) as caught:
        yield
    assert (caught.value.code, caught.value.field) == (code, field)


@contextmanager
def refused_at(
    field: str | None, *, match: str | None = None, error: type[TallystickError] = MalformedInput
) -> Iterator[None]:
    """Require that the block is refused with this error, naming the field."""
    with pytest.raises(error, match=match) as caught:
        yield
    assert caught.value.field == field


def changed_in_every_way() -> Registry:
    """Return a registry with the police and the court at entries 7 and 8, and a change of each kind after them."""
    changed = Registry(first=7).admit(POLICE, COURT).grant(clerk(POLICE))
    changed.add(registry.AdminChanged, agency=POLICE, admin=key_id("new admin"))
    changed.add(registry.WitnessSet, agency=COURT, witness=key_id("court witness"))
    changed.add(registry.QuorumSet, quorum=1)
    changed.add(registry.SubmitterSet, submitter=key_id("submitter"), allowed=True)
    changed.add(registry.SubmitterSet, submitter=key_id("second submitter"), allowed=True)
    changed.add(registry.SubmitterSet, submitter=key_id("submitter"), allowed=False)
    changed.add(registry.ProcedureAdopted, digest=blake3_text(b"a package"))
    return changed


# Words of the samples, where the procedure's first one would not do.
WORDS = {
    "trial": "summary",
    "measure": "bail",
    "qualifying_ground": "complex",
    "exclusion_ground": "travel",
    "decision_kind": "judgment",
    "item_kind": "exhibit",
    "disposal": "archived",
    "purpose": "prosecution_review",
    "reason_code": "seal_broken",
}


@cache  # msgspec takes milliseconds to describe a type
def sample_body(event_type: str, *, full: bool) -> Body:
    """Return the smallest body of the type, or one with every field and two elements in every list."""
    body = sample(inspect.type_info(EVENT_TYPES[event_type].body), full=full)
    return msgspec.convert(body, EVENT_TYPES[event_type].body)


def sample(kind: Any, *, full: bool) -> Any:
    """Return a value of the type as plain data. Requires that every pattern comes with an example."""
    match kind:
        case inspect.Metadata(extra={"vocabulary": vocabulary}):
            return WORDS.get(vocabulary) or next(iter(shipped_rulebook().vocabularies[vocabulary]))
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            examples = (schema or {}).get("examples")
            return examples[0] if examples else sample(inner, full=full)
        case inspect.StructType(fields=fields):
            return {field.encode_name: sample(field.type, full=full) for field in fields if full or field.required}
        case inspect.UnionType(types=types):
            return sample(types[0], full=full)
        case inspect.DictType(key_type=key, value_type=value):
            return {sample(key, full=full): sample(value, full=full)}
        case inspect.VarTupleType(item_type=item, min_length=shortest):
            return [sample(item, full=full)] * max(shortest or 0, 2 if full else 0)
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.IntType(ge=lowest):
            return lowest
        case inspect.BoolType():
            return True
        case inspect.StrType(pattern=None):
            return "文 text"
    raise AssertionError(f"no sample of {kind}")


def signer_of(event_type: str) -> Officer:
    """Return an officer whose roles may sign the type."""
    roles = EVENT_TYPES[event_type].roles
    return Officer(f"{POLICE}-x", POLICE, roles[:1]) if roles else SERVICE


def sample_event(event_type: str, *, full: bool) -> Event:
    """Return an event of such a body by such an officer; the full one has an authority and two sections."""
    fields: dict[str, Any] = {}
    if full or EVENT_TYPES[event_type].on_authority:
        fields["authority"] = Authority(authorization_type="warrant", authorization_identifier="2026-12")
    sections = {"narrative": section(), "person:1": section("person:1", name="甲")} if full else None
    return event_of(sample_body(event_type, full=full), signer_of(event_type), sections=sections, **fields)
