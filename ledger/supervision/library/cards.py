"""Model cards: what a published model's file says, for readers who are no programmers; and how two models differ."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.events.supervision import BilingualText, Check, Figures, ModelPublished
from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.definition import Need, text_of
from ledger.supervision.models.model_file import ModelFile, in_both_languages
from ledger.supervision.models.yaml_document import read_document

CARDS_KEPT: Final = 1024
_FORMS: Final = ("template", "cel", "sql")
_HAN: Final = re.compile(r"[\u3400-\u9fff]{3,}")
_LEAST_SHARE: Final = 0.5
DifferenceKind = Literal["added", "removed", "changed"]


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
    """Return the card of a model's file; None if this version cannot read what another program has published."""
    try:
        document = read_document(definition)
        file = convert(in_both_languages(document.tree), ModelFile)
    except (ModelRefused, msgspec.ValidationError):
        return None
    form = next((form for form in _FORMS if form in file.condition), "")
    return Card(
        explanation=file.explanation,
        need=file.need,
        legal_basis=file.legal_basis,
        form=str(file.condition["template"]) if form == "template" else form,
        condition=condition_text(definition, document.lines),
        says=file.lead.says,
        parameters=tuple(
            ParameterCard(
                name,
                parameter.type,
                text_of(parameter.default),
                None if parameter.minimum is None else text_of(parameter.minimum),
                None if parameter.maximum is None else text_of(parameter.maximum),
                parameter.choices,
                parameter.meaning,
            )
            for name, parameter in file.parameters.items()
        ),
        checks=file.checks,
        examples=tuple(ExampleCard(example.name, len(example.raises)) for example in file.examples),
    )


def condition_text(definition: str, lines: Mapping[str, int]) -> str:
    """Return the lines of a file that state its condition, with the comments within it; nothing if it has none."""
    first = lines.get(".condition")
    if first is None:
        return ""
    heads = (line for path, line in lines.items() if path.count(".") == 1 and "[" not in path)
    following = min((line for line in heads if line > first), default=None)
    part = definition.splitlines()[first - 1 : None if following is None else following - 1]
    while part and (not part[-1].strip() or part[-1].lstrip().startswith("#")):
        part.pop()
    return "\n".join(part)


def texts_of(card: Card) -> Iterator[str]:
    """Yield all that a card says to a reader, for searching."""
    texts = [card.explanation, card.need.problem, card.need.expected_outcome, card.says, *card.legal_basis]
    texts += [text for check in card.checks for text in (check.what, check.by)]
    texts += [parameter.meaning for parameter in card.parameters]
    yield card.need.requested_by
    for text in texts:
        yield from (text.zh, text.en)


class Fit(Struct, frozen=True, order=True):
    """``score`` is 1 for each word that stands in the text as typed; ``places`` names the texts with a word."""

    score: float
    places: tuple[str, ...] = ()


def fit(query: str, texts: Mapping[str, str]) -> Fit | None:
    """Return how well the query fits the texts, given by name; None if a word of it fits none of them."""
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
    # Chinese has no spaces: words of three characters and more may match in parts.
    pairs = [word[at : at + 2] for at in range(len(word) - 1)]
    return sum(pair in text for pair in pairs) / len(pairs) * 0.9  # never as good as the word itself


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


class ModelDifference(Struct, frozen=True):
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


class ModelComparison(Struct, frozen=True):
    """``condition`` are the lines of a unified diff of the parts that state what is looked for; none where they agree.

    Differences in the condition and the examples stand in ``differences`` too, path by path.
    """

    first: Side
    second: Side
    same_text: bool
    differences: tuple[ModelDifference, ...]
    condition: tuple[str, ...]


def compare(first: ModelPublished, second: ModelPublished) -> ModelComparison:
    """Compare two publications. Raises ModelRefused if a text is no YAML of a model."""
    documents = [read_document(published.definition) for published in (first, second)]
    before, after = (dict(_flat(document.tree, "")) for document in documents)
    conditions = [
        condition_text(published.definition, document.lines).splitlines()
        for published, document in zip((first, second), documents, strict=True)
    ]
    names = [f"{published.model_id} {published.version}" for published in (first, second)]
    differences = []
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path), after.get(path)
        if old != new:
            kind: DifferenceKind = "added" if old is None else "removed" if new is None else "changed"
            differences.append(ModelDifference(path, kind, old, new))
    sides = [Side(**{name: getattr(of, name) for name in Side.__struct_fields__}) for of in (first, second)]
    return ModelComparison(
        first=sides[0],
        second=sides[1],
        same_text=first.definition == second.definition,
        differences=tuple(differences),
        condition=tuple(unified_diff(conditions[0], conditions[1], names[0], names[1], lineterm="")),
    )


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield each value that is neither a mapping nor a list, with its path."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        names = [part.get("name") if isinstance(part, dict) else None for part in value]
        for number, (name, part) in enumerate(zip(names, value, strict=True)):
            label = name if isinstance(name, str) and names.count(name) == 1 else number
            yield from _flat(part, f"{path}[{label}]")
    elif value is None or value in ({}, []):
        yield path, msgspec.json.encode(value).decode()
    else:
        yield path, text_of(value)
