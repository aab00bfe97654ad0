"""Make the tables of docs/protocol/ out of the types that the code decodes with.

``module`` gives them as JavaScript for the second verifier, out of the document's text alone: a stranger copies them
by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_type_hints

from msgspec import inspect

from ledger.core import events
from ledger.core.ethereum import contract_changes
from ledger.core.events import EVENT_TYPES, terms
from ledger.core.procedure.facts import Condition
from ledger.core.procedure.rulebook import ClockRule, ExtensionRule, FlagName
from ledger.procedures import shipped_rulebook
from ledger.supervision.view_catalogue import views

BOOK = shipped_rulebook()
WORDS = {
    name: value
    for name, value in vars(terms).items()
    if getattr(value, "__metadata__", None) and not name.startswith("_")
}
VOCABULARIES = {
    name: terms.choices(value)
    for name, value in vars(terms).items()
    if getattr(value, "__origin__", None) is not None and not hasattr(value, "__metadata__") and name[0].isupper()
}
# What the pages on integrity name; the other types are those of bodies.
OF_ENVELOPES = ("AgencyId", "OfficerId", "StreamId", "EventId", "EventTypeName", "KeyId", "EnvelopeSignature")
OF_PAYLOADS = ("Blake3", "LeafHash", "Salt", "Instant", "SectionLabel", "SectionField", "Text", "Line")
OF_FILES = ("SafeInt", "UnixSeconds", "Suite", "Bytes32", "AgencyKind", "Jurisdiction", "Language")
INTEGRITY = (*OF_ENVELOPES, *OF_PAYLOADS, *OF_FILES)
VALUES = ("Stream", "Authority")
MIRRORED = ("registry.agency_admitted", "registry.key_granted", "registry.key_revoked")
MIRRORED_VALUES = ("AgencyProfile", "ChangeLocation")
NAMED = WORDS | {name: getattr(terms, name) for name in VOCABULARIES}


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join([row(*head), row(*("---" for _ in head)), *(row(*cells) for cells in rows)])


def types() -> str:
    """Tabulate the forms that the pages on integrity name."""
    return table(("type", "form"), [row[:2] for row in _forms(INTEGRITY)])


def words() -> str:
    """Tabulate the other named forms of text and numbers."""
    return table(("type", "form", ""), [*_forms(name for name in WORDS if name not in INTEGRITY)])


def _forms(names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    for name in names:
        kind = inspect.type_info(WORDS[name])
        inner = kind.type if isinstance(kind, inspect.Metadata) else kind
        schema = (kind.extra_json_schema or {}) if isinstance(kind, inspect.Metadata) else {}
        yield f"`{name}`", _form(inner), schema.get("description", "")


def _form(inner: Any) -> str:
    if isinstance(inner, inspect.IntType):
        return f"integer, {inner.ge} to {inner.le}"
    parts = []
    if inner.pattern:
        whole = inner.pattern.removeprefix("^").removesuffix(r"$(?!\n)")
        readable = whole.replace(terms._DATE, "<Date>").replace("|", "\\|")  # noqa: SLF001 - the one long pattern
        parts.append(f"`{readable}`")
    if inner.max_length is not None:
        parts.append(f"1 to {inner.max_length} characters")
    return ", ".join(parts)


def vocabularies() -> str:
    """Tabulate the closed vocabularies, each word as it stands in the bytes."""
    rows = [(f"`{name}`", ", ".join(f"`{word}`" for word in choices)) for name, choices in VOCABULARIES.items()]
    return table(("name", "words"), rows)


def numbers() -> str:
    """Tabulate the contract's numbers for roles and changes."""
    changes = {events.NAME_OF[body]: number for body, number in contract_changes.CHANGE_KINDS.items()}
    numbered: dict[str, Mapping[Any, int]] = {
        "role": contract_changes.ROLE_BITS,
        "change": changes,
    }
    rows = [(of, ", ".join(f"`{name}` {number}" for name, number in each.items())) for of, each in numbered.items()]
    return table(("of", "numbers"), rows)


def values() -> str:
    """List the values that payload and envelope are made of."""
    return _listed(VALUES)


def mirror() -> str:
    """List the bodies that authority is derived from, and the values that these are made of."""
    bodies = [f"- **{name}**: {fields_of(EVENT_TYPES[name].body)}" for name in MIRRORED]
    return "\n".join([*bodies, _listed(MIRRORED_VALUES)])


def parts() -> str:
    """List the other values that bodies are made of."""
    return _listed(name for name in sorted(_values()) if name not in VALUES + MIRRORED_VALUES)


def _listed(names: Iterable[str]) -> str:
    return "\n".join(f"- **{name}**: {fields_of(_values()[name])}" for name in names)


@cache
def _values() -> dict[str, type]:
    wholes = {row.body for row in EVENT_TYPES.values()} | {events.Payload, events.Envelope, events.Body}
    used = {struct for whole in wholes for struct in _structs_in(inspect.type_info(whole))} - wholes
    return {struct.__name__: struct for struct in used}


def _structs_in(kind: Any) -> Iterator[type]:
    match kind:
        case inspect.StructType(cls=cls, fields=fields):
            yield cls
            for field in fields:
                yield from _structs_in(field.type)
        case inspect.UnionType(types=types):
            for inner in types:
                yield from _structs_in(inner)
        case inspect.VarTupleType(item_type=inner):
            yield from _structs_in(inner)


def signers() -> str:
    """Tabulate who signs which event type, in which streams."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, row in EVENT_TYPES.items():
        roles = ", ".join(row.roles) or "the ledger itself"
        signers = f"{roles}; on a named authority" if row.on_authority else roles
        groups.setdefault((", ".join(row.streams), signers), []).append(f"`{name}`")
    return table(
        ("streams", "signed by", "event types"), [(*group, " ".join(names)) for group, names in groups.items()]
    )


def bodies() -> str:
    """List every event type with its streams, roles and body."""
    listed = []
    for name, event_type in EVENT_TYPES.items():
        roles = " or ".join(event_type.roles) or "the service's own key"
        demand = "; on a named authority" if event_type.on_authority else ""
        meaning = f" {' '.join(event_type.body.__doc__.split())}".replace("``", "`") if event_type.body.__doc__ else ""
        head = f"**{name}** (stream: {' or '.join(event_type.streams)}; signed by {roles}{demand}).{meaning}"
        listed.append(f"{head}\\\n{fields_of(event_type.body)}")
    return "\n\n".join(listed)


def fields_of(struct: type) -> str:
    """List the fields of a struct in the order of their bytes; what may be left out has a question mark."""
    hints = get_type_hints(struct, include_extras=True)
    fields = {
        field.encode_name: f"`{field.encode_name}`{'' if field.required else '?'} "
        f"{spelled(hints[field.name], field.type)}"
        + (" or null" if field.required and isinstance(field.type, inspect.UnionType) else "")
        for field in inspect.type_info(struct).fields  # type: ignore[attr-defined]
    }
    return ", ".join(fields[name] for name in sorted(fields))


def spelled(hint: Any, kind: Any) -> str:
    """Name a type as a reader of the protocol does: by its own name where it has one."""
    named = next((name for name, value in NAMED.items() if hint == value), None)
    if named is not None:
        return named
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=schema) if isinstance(inner, inspect.StrType):
            return f"{(schema or {}).get('description', 'text')} ({_form(inner)})"
        case inspect.Metadata(type=inner):
            return spelled(hint, inner)
        case inspect.UnionType(types=types):
            inner = next(member for member in types if not isinstance(member, inspect.NoneType))
            return spelled(next(member for member in hint.__args__ if member is not type(None)), inner)
        case inspect.VarTupleType(item_type=inner, min_length=low, max_length=high):
            return f"[{spelled(_unwrapped(hint).__args__[0], inner)}]{_count(low, high)}"
        case inspect.DictType(key_type=key, value_type=value, min_length=low, max_length=high):
            keys, values = _unwrapped(hint).__args__
            return f"{{{spelled(keys, key)}: {spelled(values, value)}}}{_count(low, high)}"
        case inspect.StructType(cls=cls):
            return cls.__name__
        case inspect.AnyType():  # of a generic struct: which type it is, the text says
            return "(see the type)"
        case inspect.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case inspect.IntType(ge=low, le=high):
            return f"{low}" if low == high else f"integer {low} to {high}"
        case inspect.BoolType():
            return "`true` or `false`"
    raise AssertionError(f"no words for {kind}")


def _unwrapped(hint: Any) -> Any:
    return hint.__origin__ if hasattr(hint, "__metadata__") else hint


def _count(low: int | None, high: int | None) -> str:
    if low is None and high is None:
        return ""
    return f" ({low or 0} to {high})" if high is not None else f" ({low} or more)"


def purposes() -> str:
    """Tabulate what each purpose of a handover moves."""
    rows = []
    for name, purpose in BOOK.purposes.items():
        stage, changes = f"`{purpose.stage}`" if purpose.stage else "", "yes" if purpose.custody_change else ""
        rows.append((f"`{name}`", purpose.moves, stage, changes, purpose.article))
    return table(("purpose", "moves", "enters the stage", "changes custody", "article"), rows)


def clocks() -> str:
    """Tabulate the statutory clocks: whose, from what to what, how long."""
    rows = [
        (
            f"`{row.name}`",
            row.article,
            ", ".join((row.per, *_asked(row.starts_if))),
            "<br>".join((*(f"`{trigger}`" for trigger in row.starts), *_later(row))),
            "<br>".join(f"`{trigger}`" for trigger in row.stops),
            "<br>".join(" ".join((base.period, *_asked(base.condition))) for base in row.bases),
            "<br>".join(_extension(extension) for extension in row.extensions),
            row.valid_from,
        )
        for row in BOOK.clocks
    ]
    heads = ("clock", "article", "per, if", "starts", "stops", "base", "extensions", "starts from")
    return table(heads, rows)


def _asked(condition: Condition | None) -> tuple[str, ...]:
    """Spell what a condition asks: ``in_custody``, ``stage investigation or arrest_review``."""
    if condition is None:
        return ()
    asked = [
        f"`{key}`" if words == (True,) else f"`{key}` {' or '.join(f'`{word}`' for word in words)}"
        for key, words in condition.asked
    ]
    return (*asked, *(f"not {part}" for part in _asked(condition.unless)))


def _later(row: ClockRule) -> tuple[str, ...]:
    """Triggers that start the clock in another way than from the beginning and for good, and what rests meanwhile."""
    ways = {"provisional": row.provisional, "renewed": row.renewals, "rests": (row.rests,) if row.rests else ()}
    return tuple(f"{way}: `{trigger}`" for way, triggers in ways.items() for trigger in triggers)


def _extension(row: ExtensionRule) -> str:
    much = "as decided" if row.is_open else f"to {row.to}" if row.to else f"+ {row.adds}"
    base = f" of {row.of}" if row.of else ""
    grounds = f" ({', '.join(f'`{ground}`' for ground in row.grounds)})" if row.grounds else ""
    return " if ".join((f"`{row.name}` {much}{base}, {row.article}{grounds}", *_asked(row.condition)))


def flags() -> str:
    """Tabulate the flags and the rows that raise them."""
    assert {flag.name for flag in BOOK.flags} == set(terms.choices(FlagName))
    rows = []
    for flag in BOOK.flags:
        days = flag.valid_from if flag.valid_until is None else f"{flag.valid_from}, before {flag.valid_until}"
        rows.append((f"`{flag.name}`", flag.label["en"], str(flag.limit or ""), flag.article, days))
    return table(("flag", "raised for", "limit", "article", "acts from"), rows)


def view_tables() -> str:
    """Write a heading and a table for each view that models ask, for docs/views.md."""
    sections = []
    for view in views().values():
        rows = [(f"`{column.name}`", column.kind, column.en, column.zh) for column in view.columns.values()]
        columns = table(("column", "type", "meaning", "含义"), rows).replace(
            "| --- | --- | --- | --- |", "|---|---|---|---|"
        )
        sections.append(f"### `{view.name}`\n\n{view.en}. {view.zh}。\n\n{columns}")
    return "\n\n".join(sections)
