"""Pages: the face of a library as files, in Chinese and English, and the published counts for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ledger.core.supervision.suppression import Total
from ledger.i18n import LANGUAGES, Labels
from ledger.supervision.library.public.face import OUTTURNS, Face, Shown
from ledger.supervision.templates import templates_of

FORMAT = "tallystick/public-library@v1"
DATA = "library.json"
_WIDEST = 100  # of a bar


def pages(face: Face) -> dict[str, bytes]:
    """Each file by its path in the folder."""
    made = {"index.html": _render("choose.html", "zh-CN", face=face), DATA: _data(face)}
    for language in LANGUAGES:
        made[f"{language}/index.html"] = _render("index.html", language, face=face, lines=_lines(face))
        for shown in face.models:
            path = f"{language}/{shown.subject.model_id}.html"
            made[path] = _render("model.html", language, face=face, shown=shown)
    return made


def _lines(face: Face) -> dict[str, list[Shown]]:
    """The models by their business line."""
    found: dict[str, list[Shown]] = {}
    for shown in face.models:
        found.setdefault(shown.subject.business_line, []).append(shown)
    return found


def _render(template: str, language: str, **given: Any) -> bytes:
    labels = Labels(language)
    told = {
        "language": language,
        "other": next(one for one in LANGUAGES if one != language),
        "outturns": tuple(OUTTURNS),
        "say": lambda word: labels.of("public", word),
        "label": labels.of,
        "text": labels.told,
        "share": lambda least: _share(labels, least),
        "width": _width,
    }
    return (templates_of(__package__).get_template(template).render(**told, **given).strip() + "\n").encode()


def _share(labels: Labels, least: int | None) -> str:
    if least is None:
        return labels.of("public", "less_than_80")
    return labels.of("public", "all" if least == 100 else "at_least").format(least)


def _width(total: Total, face: Face) -> int:
    """How long the bar of a total is."""
    return total.at_least * _WIDEST // max(1, *(shown.total.at_least for shown in face.models))


def _data(face: Face) -> bytes:
    made = {
        "format": FORMAT,
        "log_id": face.log_id,
        "tree_size": face.tree_size,
        "root": face.root,
        "models": [_model(shown) for shown in face.models],
        "leads": _counts(face.outturns, face.total),
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def _model(shown: Shown) -> dict[str, Any]:
    subject = shown.subject
    told = ("model_id", "version", "title", "business_line", "publisher", "published_on", "case_study")
    return {name: getattr(subject, name) for name in told} | {"leads": _counts(shown.outturns, shown.total)}


def _counts(outturns: Sequence[int | Total | None], total: Total) -> dict[str, Any]:
    """By outturn: a count, null where it is fewer than 5, or a total."""
    return dict(zip(OUTTURNS, outturns, strict=bool(outturns))) | {"total": total}
