"""Card: what a published model's file says, for readers who are no programmers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.events.supervision import BilingualText, Check, Figures, ModelPublished
from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.definition import Need, Parameter, text_of
from ledger.supervision.models.model_file import ModelFile
from ledger.supervision.models.yaml_document import read_document

CARDS_KEPT: Final = 1024
_FORMS: Final = ("template", "cel", "sql")


class ParameterCard(Struct, frozen=True):
    """What another place may set otherwise, and within which bounds: values as they are written."""

    name: str
    type: str
    default: str
    minimum: str | None
    maximum: str | None
    choices: tuple[str, ...]
    meaning: BilingualText


class ExampleCard(Struct, frozen=True):
    """A test of the model: ``raises`` counts the leads that it must raise there."""

    name: str
    raises: int


class Card(Struct, frozen=True):
    """``form`` is the name of the condition's template, or ``cel`` or ``sql``; ``condition`` its text, as written."""

    explanation: BilingualText
    need: Need
    legal_basis: tuple[BilingualText, ...]
    form: str
    condition: str
    says: BilingualText
    parameters: tuple[ParameterCard, ...]
    checks: tuple[Check, ...]
    examples: tuple[ExampleCard, ...]


@lru_cache(maxsize=CARDS_KEPT)
def card_of(definition: str) -> Card | None:
    """None where the text is no model as this version reads them: whoever published it used another program."""
    try:
        document = read_document(definition)
        file = convert(document.tree, ModelFile)
    except (ModelRefused, msgspec.ValidationError):
        return None
    return Card(
        explanation=file.explanation,
        need=file.need,
        legal_basis=file.legal_basis,
        form=form_of(file.condition),
        condition=part_of(definition, document.lines, "condition"),
        says=file.lead.says,
        parameters=tuple(_parameter(name, one) for name, one in file.parameters.items()),
        checks=file.checks,
        examples=tuple(ExampleCard(one.name, len(one.raises)) for one in file.examples),
    )


def form_of(condition: Mapping[str, Any]) -> str:
    """Which of the ways the condition is stated in; a template by its name."""
    found = next((form for form in _FORMS if form in condition), "")
    return str(condition["template"]) if found == "template" else found


def part_of(definition: str, lines: Mapping[str, int], name: str) -> str:
    """The lines of a file that state one of its parts, with the comments within it."""
    first = lines[f".{name}"]
    heads = (line for path, line in lines.items() if path.count(".") == 1 and "[" not in path)
    following = min((line for line in heads if line > first), default=None)
    told = definition.splitlines()[first - 1 : None if following is None else following - 1]
    while told and (not told[-1].strip() or told[-1].lstrip().startswith("#")):
        told.pop()
    return "\n".join(told)


def texts_of(card: Card) -> Iterator[str]:
    """All that a card says to a reader, to be searched."""
    yield from _both(card.explanation, card.need.problem, card.need.expected_outcome, card.says, *card.legal_basis)
    yield card.need.requested_by
    for check in card.checks:
        yield from _both(check.what, check.by)
    for parameter in card.parameters:
        yield from _both(parameter.meaning)


def _both(*told: BilingualText) -> Iterator[str]:
    for one in told:
        yield from (one.zh, one.en)


def _parameter(name: str, one: Parameter) -> ParameterCard:
    least, most = (None if bound is None else text_of(bound) for bound in (one.minimum, one.maximum))
    return ParameterCard(name, one.type, text_of(one.default), least, most, one.choices, one.meaning)


_HAN: Final = re.compile(r"[\u3400-\u9fff]{3,}")
_LEAST_SHARE: Final = 0.5


class Fit(Struct, frozen=True, order=True):
    """``score`` is 1 for each word that stands in the text as typed; ``places`` names the texts with a word."""

    score: float
    places: tuple[str, ...] = ()


def fit(query: str, texts: Mapping[str, str]) -> Fit | None:
    """How well the query fits the texts, told by the name of each; None where a word of it fits none of them."""
    plain = {place: _plain(text) for place, text in texts.items()}
    score, places = 0.0, dict[str, None]()
    for word in _plain(query).split():
        shares = {place: _share(word, text) for place, text in plain.items()}
        best = max(shares.values(), default=0.0)
        if best < _LEAST_SHARE:
            return None
        score += best
        places |= dict.fromkeys(place for place, share in shares.items() if share == best)
    return Fit(score, tuple(places))


def _share(word: str, text: str) -> float:
    if word in text:
        return 1.0
    if not _HAN.fullmatch(word):
        return 0.0
    pairs = [word[at : at + 2] for at in range(len(word) - 1)]
    return sum(pair in text for pair in pairs) / len(pairs) * 0.9  # never as good as the word itself


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


DifferenceKind = Literal["added", "removed", "changed"]


class Difference(Struct, frozen=True):
    """``field`` is its path in the file, such as ``parameters.days.default`` or ``examples[third refusal].as_of``.

    None is what one of both has not.
    """

    field: str
    kind: DifferenceKind
    first: str | None
    second: str | None


class Side(Struct, frozen=True):
    """One of the two: which model and version, and what was measured of it."""

    model_id: str
    version: int
    model_digest: str
    title: BilingualText
    figures: Figures | None
    case_study: BilingualText | None


class Comparison(Struct, frozen=True):
    """``condition`` are the lines of a unified diff of the parts that state what is looked for; none where they agree.

    Differences in the condition and the examples stand in ``differences`` too, path by path.
    """

    first: Side
    second: Side
    same_text: bool
    differences: tuple[Difference, ...]
    condition: tuple[str, ...]


def compare(first: ModelPublished, second: ModelPublished) -> Comparison:
    """What differs between two publications. Raises ModelRefused where a text is no YAML of a model."""
    flat = [dict(_flat(read_document(one.definition).tree, "")) for one in (first, second)]
    names = [f"{one.model_id} {one.version}" for one in (first, second)]
    return Comparison(
        first=_side(first),
        second=_side(second),
        same_text=first.definition == second.definition,
        differences=tuple(_differences(*flat)),
        condition=tuple(unified_diff(_condition(first), _condition(second), names[0], names[1], lineterm="")),
    )


def _condition(body: ModelPublished) -> list[str]:
    lines = read_document(body.definition).lines
    return part_of(body.definition, lines, "condition").splitlines() if ".condition" in lines else []


def _differences(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Difference]:
    """In the order of the first text, then what only the second one has."""
    for path in dict.fromkeys((*first, *second)):
        one, other = first.get(path), second.get(path)
        if one != other:
            kind: DifferenceKind = "added" if one is None else "removed" if other is None else "changed"
            yield Difference(path, kind, one, other)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each value that is no mapping and no list, by its path."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for label, part in zip(_labels(value), value, strict=True):
            yield from _flat(part, f"{path}[{label}]")
    elif value is None or value in ({}, []):
        yield path, msgspec.json.encode(value).decode()
    else:
        yield path, text_of(value)


def _labels(parts: list[Any]) -> Iterator[str]:
    """Call an example by its name, so that one that was put in before it makes no difference, others by number."""
    names = [part.get("name") if isinstance(part, dict) else None for part in parts]
    counts = Counter(name for name in names if isinstance(name, str))
    for number, name in enumerate(names):
        yield name if isinstance(name, str) and counts[name] == 1 else str(number)


def _side(body: ModelPublished) -> Side:
    return convert({name: getattr(body, name) for name in Side.__struct_fields__}, Side)
