"""Edit: other values at places of a model's file, whose comments and layout stay as its author has them.

A place is written as faults name it: ``need.problem.zh``, ``legal_basis[0].zh``, ``condition.with.per``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from io import StringIO
from itertools import pairwise
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from ledger.supervision.model.document import MAX_CHARACTERS, read_document
from ledger.supervision.model.spelling import text_of


class _Mark(Enum):
    """What stands in the place of a value and is none, also in another process."""

    REMOVED = "removed"


REMOVED: Final = _Mark.REMOVED  # the place is not there afterwards
_TEXT = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_WORD = re.compile(r"[a-z_][a-z0-9_-]*|\$[a-z_][a-z0-9_]*")
_MEANINGFUL = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")


def edited(text: str, changes: Mapping[str, object]) -> str:
    """The text with these values at these places; an entry right after the last one of a list is added to it.

    Raises ModelRefused where the text is no YAML that a model is written in.
    """
    read_document(text)
    yaml = keeping_layout()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(text)
    for place, value in changes.items():
        _put(tree, steps_of(place), value)
    written = StringIO()
    yaml.dump(tree, written)
    return written.getvalue()


class _Resolver(VersionedResolver):
    """Takes a day, a time or ``<<`` for the text that ``read_document`` takes it for: 2026-13-45 is one too."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        return self.DEFAULT_SCALAR_TAG if str(tag) in _TEXT else tag


def keeping_layout() -> YAML:
    """Return a reader and writer that keeps comments, order and the spelling of what is not changed."""
    yaml = YAML()
    yaml.Resolver = _Resolver
    yaml.width = MAX_CHARACTERS
    return yaml


def steps_of(place: str) -> list[str | int]:
    """The names and numbers that lead to a place."""
    return [name or int(number) for name, number in _STEP.findall(place)]


def value_at(tree: Any, place: str) -> Any:
    """What stands at a place of plain values; None where nothing does."""
    for step in steps_of(place):
        if isinstance(step, int):
            if not isinstance(tree, list) or step >= len(tree):
                return None
            tree = tree[step]
        elif isinstance(tree, dict):
            tree = tree.get(step)
        else:
            return None
    return tree


def _put(tree: Any, steps: list[str | int], value: object) -> None:
    for step, following in pairwise(steps):
        if isinstance(step, int) and step >= len(tree):
            tree.append(_flow(CommentedMap()))
        elif not isinstance(step, int) and tree.get(step) is None:
            tree[step] = CommentedSeq() if isinstance(following, int) else _flow(CommentedMap())
        tree = tree[step]
    last = steps[-1]
    if value is REMOVED:
        _remove(tree, last)
    elif isinstance(last, int) and last >= len(tree):
        tree.append(_node(value))
    else:
        tree[last] = _node(value)


def _remove(tree: Any, last: str | int) -> None:
    if isinstance(last, int):
        if last < len(tree):
            del tree[last]
    else:
        tree.pop(last, None)


def _node(value: object) -> Any:
    """Words stand bare, other text in quotes, so that nothing reads differently than it looks."""
    if isinstance(value, str):
        if "\n" in value:
            return LiteralScalarString(value.strip("\n") + "\n")
        bare = _WORD.fullmatch(value) and value not in _MEANINGFUL
        return value if bare else DoubleQuotedScalarString(value)
    if isinstance(value, Mapping):
        return _flow(CommentedMap((name, _node(one)) for name, one in value.items()))
    if isinstance(value, list | tuple):
        return _flow(CommentedSeq(_node(one) for one in value))
    return YAML().load(text_of(value)) if isinstance(value, Decimal) else value


def _flow(made: Any) -> Any:
    made.fa.set_flow_style()
    return made
