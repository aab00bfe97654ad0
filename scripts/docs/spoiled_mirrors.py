"""Faults of mirror entries of the registry (steps 10 and 11): what is none, and which grants cover an entry."""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from ledger.core.events import Stream
from scripts.docs import example
from scripts.docs.example import CASE, PROCEDURE_ENTRIES, REGISTERED, SEALED
from scripts.docs.vector import Fails, Patch, Vector, failing, ledger, plain, put, unverifiable, whole, without

OFFICER = example.key_id(example.OFFICER_KEY)
ADMITTED, GRANTED = 0, 1  # entries
OF_LEDGER = {"stream": Stream(kind="agency", id="ledger"), "sequence": 0, "previous": None}
OWN = (11,)  # of an entry of the ledger itself this is not checked
no_grant = partial(unverifiable, unchecked=(10, 11))
unanchored = partial(unverifiable, unchecked=(4, 5, 10, 11))


def mirror_vectors() -> list[Vector]:
    """Return faults of mirror entries, and of entries of the ledger itself."""
    return [*_none(), *_grants(), *_covering(), *_of_ledger()]


def _log(*changes: tuple[int, Any, dict[str, Any]], last: tuple[Any, ...] = ()) -> example.Ledger:
    """Return a log of which entries have other bodies or fields of the envelope, and with ``last`` bodies behind it."""
    entries = example.entries()
    for index, body, envelope in changes:
        entries[index] = example.resigned(entries[index], body, **envelope)
    writer = example.Writer(entries)
    for body in last:
        writer.write(body, example.SYSTEM)
    return example.Ledger(writer.entries)


def _shown(log: example.Ledger) -> tuple[Patch]:
    """Return the bundle of the registration with the entries at 0 and 1, and others about its key."""
    return whole(log.file([REGISTERED], [ADMITTED, GRANTED], event=REGISTERED, anchor=log.anchor(OFFICER)))


def _granted(**terms: Any) -> tuple[Patch]:
    """Return the same under other terms of the grant, which the registry has too."""
    return _shown(_log((GRANTED, replace(_body(GRANTED), **terms), {})))


def _body(index: int) -> Any:
    return ledger().entries[index].payload.body


def _as_object(index: int, **more: Any) -> dict[str, Any]:
    """Return the body of an entry as JSON has it, with other fields."""
    return {**plain(_body(index)), **more}


def _named(count: int) -> dict[str, Any]:
    """Return the admission with so many names."""
    names = {f"a{chr(ord('a') + number)}": "x" for number in range(count)}
    return _as_object(ADMITTED, profile={"jurisdiction": "31/01", "name": names})


def _none() -> list[Vector]:
    """Return entries that are no mirror entries: they count as left out."""
    place, profile = plain(_body(GRANTED).location), plain(_body(ADMITTED).profile)
    jurisdictions = ("31/", "/31", "31//01", "a" * 17, f"31/{'a' * 17}", "1/1/1/1/1/1", "31-01", "A")
    languages = ("english", "abcd", "e", "EN", "zh-cn", "zh-CHN", "zh-", "-CN")
    at_the_limits = {
        "kind": f"9{'_' * 29}9",
        "profile": {
            "jurisdiction": "/".join(["z" * 16, "0" * 16, "a", "0", "9z"]),
            "name": {"eng": "x" * 200, "zh": "东", "zh-CN": "城", "zh-Hans": "x", "zh-Hans-CN": "x"},
        },
    }
    of_another = _as_object(ADMITTED, agency="psb-west")
    of_a_letter = {"kind": "a", "profile": {"jurisdiction": "z", "name": {"en": "x"}}}
    misshapen = {
        "with a field more": _as_object(GRANTED, remark="x"),
        "without roles": _as_object(GRANTED, roles=[]),
        "of a role that is none": _as_object(GRANTED, roles=["clerk", "judge"]),
        "of suite 0": _as_object(GRANTED, suite=0),
        "of suite 256": _as_object(GRANTED, suite=256),
        "of a key id in upper case": _as_object(GRANTED, key_id=_body(GRANTED).key_id.upper().replace("0X", "0x")),
        "of a time below zero": _as_object(GRANTED, valid_from=-1),
        "without its place in the chain": _as_object(GRANTED, location={}),
        "of a block hash of 31 bytes": _as_object(GRANTED, location=place | {"block_hash": "0x" + "b1" * 31}),
        "of a number below zero": _as_object(GRANTED, number=-1),
        "of a registry hash of 31 bytes": _as_object(GRANTED, registry_hash="0x" + "00" * 31),
    }
    unadmitted = {
        "with a field more": _as_object(ADMITTED, remark="x"),
        "with a field more in its profile": _as_object(ADMITTED, profile=profile | {"x": "x"}),
        "without a name": _as_object(ADMITTED, profile={"jurisdiction": "31/01", "name": {}}),
        "of an admin that is no address": _as_object(ADMITTED, admin="0x" + "00" * 19),
        "of a name of 201 characters": _as_object(ADMITTED, profile=profile | {"name": {"en": "x" * 201}}),
        **{f"of the kind {kind}": _as_object(ADMITTED, kind=kind) for kind in ("Police", "_a", "a_", "a" * 32, "a-b")},
        **{
            f"of the jurisdiction {jurisdiction}": _as_object(
                ADMITTED, profile=profile | {"jurisdiction": jurisdiction}
            )
            for jurisdiction in jurisdictions
        },
        **{
            f"of a name in the language {language}": _as_object(ADMITTED, profile=profile | {"name": {language: "x"}})
            for language in languages
        },
    }
    logs = {f"a grant {name}": _log((GRANTED, body, {})) for name, body in misshapen.items()}
    logs |= {f"an admission {name}": _log((ADMITTED, body, {})) for name, body in unadmitted.items()}
    logs |= {
        "a grant outside the system stream": _log((GRANTED, None, OF_LEDGER)),
        "an admission outside the system stream": _log((ADMITTED, None, OF_LEDGER)),
        "a grant in the name of an agency": _log((GRANTED, None, {"agency": "psb-east"})),
        "a grant of another event type": _log((GRANTED, None, {"event_type": "registry.key_lost"})),
        "a grant as an admission": _log((GRANTED, None, {"event_type": "registry.agency_admitted"})),
    }
    return [
        *(unanchored(name, (*_shown(log), *without("/anchor"))) for name, log in logs.items()),
        Vector(
            "an admission at the limits of its form",
            _shown(_log((ADMITTED, _as_object(ADMITTED, **at_the_limits), {}))),
        ),
        Vector("an admission of 16 names", _shown(_log((ADMITTED, _named(16), {})))),
        Vector("an admission of one letter each", _shown(_log((ADMITTED, _as_object(ADMITTED, **of_a_letter), {})))),
        Vector("a grant of all roles", _granted(roles=("clerk", "supervisor", "auditor", "analyst", "witness"))),
        no_grant("a grant whose payload is withheld", without("/entries/1/payload")),
        no_grant("an admission whose payload is withheld", without("/entries/0/payload")),
        no_grant("a grant at another index than its own", put("/entries/1/index", 2)),
        no_grant("a grant of an agency beside the admission of another", _shown(_log((ADMITTED, of_another, {})))),
        unanchored(
            "an admission of 17 names",
            (*_shown(_log((ADMITTED, _named(17), {}))), *without("/anchor")),
        ),
        Vector("a grant by a change of any number", _granted(number=2**53 - 1)),
    ]


def _grants() -> list[Vector]:
    """Return grants with other terms, which the registry has too."""
    signed_at = example.SIGNED_AT
    of_suite = _shown(_log((GRANTED, replace(_body(GRANTED), suite=2), {}), (REGISTERED, None, {"suite": 2})))
    return [
        Vector("a grant of one role twice", _granted(roles=("clerk", "supervisor", "clerk"))),
        Fails.authority("a grant by another agency", _granted(agency="psb-west")),
        Fails.authority("a grant of another officer's", _granted(officer="p-0555")),
        Fails.authority("a grant of another suite", _granted(suite=2), trust=put("/suites", [1, 2])),
        failing(10, unchecked=(6, 11))("a grant of a suite that the ledger does not take", of_suite),
        unverifiable(
            "a grant of a suite that this verifier does not have",
            of_suite,
            unchecked=(6,),
            trust=put("/suites", [1, 2]),
        ),
        Vector("a grant from the second of the signature on", _granted(valid_from=signed_at)),
        Fails.authority("a grant from the second after the signature on", _granted(valid_from=signed_at + 1)),
        Vector("a grant until the second after the signature", _granted(valid_until=signed_at + 1)),
    ]


def _covering() -> list[Vector]:
    """Return grants and admissions below and above each other, and below and above the entry."""
    admission, grant, sealed = map(_body, (ADMITTED, GRANTED, SEALED))
    swapped = _log(
        (ADMITTED, grant, {"event_type": "registry.key_granted"}),
        (GRANTED, admission, {"event_type": "registry.agency_admitted"}),
    )
    late = _log((GRANTED, sealed, {"event_type": "access.sealed"}), last=(grant,))
    admitted_twice = _shown(_log(last=(admission,)))
    to_colleague = replace(grant, officer="p-0999")
    second, as_grant = PROCEDURE_ENTRIES[0], {"event_type": "registry.key_granted"}
    covered_first = _log((second, to_colleague, as_grant))
    covered_second = _log((GRANTED, to_colleague, {}), (second, grant, as_grant))
    misadmitted = _log(
        (GRANTED, to_colleague, {}), (second, grant, as_grant), (ADMITTED, sealed, {"event_type": "access.sealed"})
    )
    return [
        no_grant("an admission above the grant", _shown(swapped)),
        Vector("an admission above the grant besides", admitted_twice),
        no_grant(
            "an admission above the grant besides one that does not hold",
            (*admitted_twice, *put("/entries/0/payload/salt", "11" * 16)),
        ),
        Fails.authority("a grant above the entry", _shown(late)),
        Vector("two grants, of which the second covers the entry", _shown(covered_second)),
        Fails.registry(
            "two grants, of which the first covers the entry and the registry has the second", _shown(covered_first)
        ),
        no_grant(
            "two grants, of which the second covers the entry, of an agency that is not admitted", _shown(misadmitted)
        ),
    ]


def _of_ledger() -> list[Vector]:
    """Return entries of the ledger itself, and entries that are taken for such."""
    digest, officers = (
        ledger().entries[0].envelope.previous or "sha256:" + "00" * 32,
        example.entries(mirrored_by="p-0417"),
    )
    in_case = _log((SEALED, None, {"stream": CASE, "sequence": 9, "previous": digest}))
    in_system = _log((REGISTERED, None, {"stream": example.SYSTEM, "sequence": 9, "previous": digest}))
    in_its_name = _log((REGISTERED, None, {"agency": "ledger"}))
    return [
        failing(7, unchecked=(9, 11), of="mirror")(
            "another officer in the payload of a mirror, which is not the signed one",
            put("/entries/0/payload/officer", "p-0417"),
        ),
        failing(10, unchecked=OWN, of="mirror")(
            "a mirror that names an officer", whole(example.Ledger(officers).bundle(GRANTED))
        ),
        Vector(
            "an entry of the ledger itself in the stream of a case",
            whole(in_case.bundle(SEALED)),
            unchecked=OWN,
            of="sealed",
            conformity="contradicted",
        ),
        Vector("an entry of an agency in the stream of the system", _shown(in_system), conformity="contradicted"),
        failing(10, unchecked=OWN, conformity="contradicted")(
            "an officer's entry in the ledger's name", _shown(in_its_name)
        ),
    ]
