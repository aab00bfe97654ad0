"""The workbench's form: the parts of a model's file as fields, named by their paths in the file.

The file is authoritative: fields are read from it, and what is typed into them is written to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from api.console.shared.forms import PostedForm
from api.console.workbench.bench_fields import (
    BenchField,
    BenchSection,
    Choice,
    ExampleForm,
    FilterRow,
    Kind,
    changed,
    example_of,
    list_of,
    rows_of,
    with_current_values,
)
from api.texts import Texts, later
from ledger.core.encoding.decoding import convert
from ledger.core.errors import TallystickError
from ledger.core.events import terms
from ledger.i18n import PROCEDURES_IN_USE, Labels, words_in_use
from ledger.supervision import view_catalogue
from ledger.supervision.models.conditions import check_condition, condition_of, query_of
from ledger.supervision.models.definition import Parameter, Sql, parameters_of, text_of
from ledger.supervision.models.editing import value_at
from ledger.supervision.models.procedure_words import united, vocabulary_of, words_of
from ledger.supervision.models.templates import TemplateField, forms
from ledger.supervision.view_catalogue import view_columns


class BenchForm:
    """The fields of one file in a reader's language. ``datasets`` are the ids of the registered data sets."""

    def __init__(self, tree: Mapping[str, Any], labels: Labels, datasets: Sequence[str] = ()):
        self._tree = tree
        self._labels = labels
        self._say = Texts(labels.language)
        self._datasets = datasets
        words = words_of(PROCEDURES_IN_USE.get())
        named = [name for name in list_of(tree.get("procedures")) if name in words]
        self._words = united(named, words) or {}
        self.columns, self._asked = rows_of_condition(tree)

    def sections(self) -> Iterator[BenchSection]:
        """Yield the sections: what it looks for, which can be tried at once, then what is written when it is right."""
        articles = range(len(list_of(self._tree.get("legal_basis"))) + 1)
        checks = range(len(list_of(self._tree.get("checks"))) + 1)
        choices = {
            "business_line": self._labelled("business_line", words_in_use("business_line")),
            "severity": self._labelled("severity", terms.choices(terms.Severity)),
        }
        fields: dict[str, Iterable[BenchField]] = {
            "need": [
                self._both("need.problem", later("The problem that was met in casework")),
                self._field("need.requested_by", later("The office that wants it, never a person's name")),
                self._both("need.expected_outcome", later("What should come of it")),
            ],
            "condition": self._condition(),
            "parameters": self._parameters(),
            "name": [
                self._both("title", later("Title"), kind="line"),
                self._both("explanation", later("What is found, and what is left out")),
                self._choice("business_line", later("Business line"), choices["business_line"])._replace(optional=True),
                self._choice("severity", later("Severity"), choices["severity"]),
            ],
            "law": [
                self._both(f"legal_basis[{number}]", later("Article and its words"), optional=number > 0)
                for number in articles
            ],
            "lead": self._lead(),
            "checks": [
                self._both(f"checks[{number}].{part}", label, kind=kind, optional=number > 0)
                for number in checks
                for part, label, kind in _PARTS_OF_CHECK
            ],
        }
        for name, (heading, about) in _SECTIONS.items():
            section = BenchSection(name, self._say(heading), self._say(about), tuple(fields[name]))
            form = forms().get(str(value_at(self._tree, "condition.template")))
            if name == "condition" and form is not None:
                section = section._replace(about=self._labels.in_language(form))
            if name != "parameters" or section.fields:
                yield section

    def examples(self) -> Iterator[ExampleForm]:
        """Yield the examples, each with the rows of its views as fields."""
        for number, example in enumerate(list_of(self._tree.get("examples"))):
            if isinstance(example, dict):
                yield ExampleForm(number, example, self._say)

    def called(self, path: str) -> str | None:
        """Return what the form calls a place in the file, by section and field; None for one that it does not ask."""
        places = {
            field.path: f"{section.heading} · {field.label}" for section in self.sections() for field in section.fields
        }
        places |= {"examples": self._say(EXAMPLES_HEADING)}
        places |= {example.path: f"{places['examples']} · {example.name}" for example in self.examples()}
        while path and path not in places:
            path = _LAST_STEP.sub("", path)
        return places.get(path)

    def changes(self, form: PostedForm) -> dict[str, object]:
        """Return what was typed, by path, if it differs from the file."""
        changes: dict[str, object] = {}
        fields = [field for section in self.sections() for field in section.fields]
        for field in (*fields, *(field for example in self.examples() for field in example.fields())):
            changes |= changed(field, form)
        return changes

    def _lead(self) -> Iterator[BenchField]:
        names = dict.fromkeys((*self.columns, *self._parameter_names()))
        hint = self._say(
            later("Put in what was found as {{name}}: {names}"), names=" ".join(f"{{{name}}}" for name in names)
        )
        says = self._both("lead.says", later("What the lead says"))
        yield says._replace(hint=f"{says.hint} {hint}")
        columns = self._column_choices([name for name, kind in self.columns.items() if kind == "VARCHAR"])
        yield self._choice("lead.supervised", later("Which column has the agency that must answer"), columns)
        label = self._say(later("Two findings are the same one if these agree"))
        yield with_current_values(
            BenchField("lead.key", label, "many", values=self._several("lead.key"), choices=columns)
        )

    def _parameters(self) -> Iterator[BenchField]:
        for name in self._parameter_names():
            path = f"parameters.{name}"
            yield self._both(f"{path}.meaning", later("${name}: what it means"), kind="line", name=name)
            kind = value_at(self._tree, f"{path}.type")
            for part in ("default", "minimum", "maximum") if kind in ("integer", "decimal") else ("default",):
                meaning = self._at(f"{path}.meaning.{self._labels.suffix}") or f"${name}"
                label = f"{meaning}: {self._say(_OF_PARAMETER[part])}"
                yield BenchField(f"{path}.{part}", label, "number", self._at(f"{path}.{part}"))

    def _condition(self) -> Iterator[BenchField]:
        condition = self._tree.get("condition")
        condition = condition if isinstance(condition, dict) else {}
        template = str(condition.get("template"))
        if template in forms():
            template_values = condition.get("with") if isinstance(condition.get("with"), dict) else {}
            for name, field in forms()[template].fields.items():
                yield with_current_values(self._of_template(name, field, template_values or {}))
        elif "cel" in condition:
            yield self._choice("condition.view", later("Rows of what"), self._views())
            yield self._field("condition.cel", later("Condition on a row"), "code")
        elif "sql" in condition:
            yield self._field("condition.sql", later("Query over the views"), "code")

    def _of_template(self, name: str, field: TemplateField, template_values: Mapping[str, Any]) -> BenchField:
        """Return a field of the template's form, as ``templates.toml`` defines it."""
        path, optional = f"condition.with.{name}", not field.required
        view = str(template_values.get("view", "")) if field.of == "view" else field.of or ""
        hint = example_of(self._say, field.kind)
        base = BenchField(path, self._labels.in_language(field), "line", self._at(path), optional=optional, hint=hint)
        match field.kind:
            case "view":
                fitting = [view for view in self._views() if view_columns()[view.value].keys() >= set(field.has)]
                return base._replace(kind="choice", choices=fitting)
            case "column":
                return base._replace(kind="choice", choices=self._columns_of(view, field.type))
            case "columns":
                return base._replace(kind="many", choices=self._columns_of(view), values=self._several(path))
            case "words":
                words = self._labelled(field.of or "", self._words.get(field.of or "", ()))
                return base._replace(kind="many", choices=words, values=self._several(path))
            case "where":
                rows = rows_of(template_values.get(name))
                if rows is None:
                    hint = self._say(later("This filter is written in the file alone."))
                    return base._replace(kind="filter", hint=hint)
                words_of_columns = {row.column: self._words_of(view, row) for row in rows}
                return base._replace(kind="filter", choices=self._columns_of(view), rows=rows, words=words_of_columns)
            case "cells" | "lists":
                rows = rows_of(template_values.get(name)) if field.kind == "cells" else None
                hint = self._say(later("This filter is written in the file alone."))
                return (
                    base._replace(kind="filter", hint=hint) if rows is None else base._replace(kind="filter", rows=rows)
                )
            case "headers":
                return base._replace(kind="many", values=self._several(path))
            case "yes_no":
                return base._replace(kind="yes_no", value=self._at(path) or text_of(field.default))
            case "count":
                hint = self._say(later("a number as 7, or a parameter as $name"))
                return base._replace(kind="count", choices=self._references("integer"), hint=hint)
            case "dataset":
                registered = [Choice(dataset_id, dataset_id) for dataset_id in self._datasets]
                return base._replace(kind="count", choices=[*registered, *self._references("dataset")])
        return base

    # -- fields --------------------------------------------------------------------------------------------------------

    def _at(self, path: str) -> str:
        value = value_at(self._tree, path)
        parts = value if isinstance(value, list) else [value]
        return "" if value is None or any(isinstance(part, dict) for part in parts) else text_of(value)

    def _several(self, path: str) -> tuple[str, ...]:
        value = value_at(self._tree, path)
        return tuple(str(part) for part in (value if isinstance(value, list) else [value]) if part is not None)

    def _both(
        self, path: str, label: str, kind: Kind = "text", *, optional: bool = False, name: str = ""
    ) -> BenchField:
        translated = self._say(label, name=name) if name else self._say(label)
        zh, en = self._at(f"{path}.zh"), self._at(f"{path}.en")
        hint = example_of(self._say, path)
        return BenchField(path, translated, kind, languages=True, zh=zh, en=en, optional=optional, hint=hint)

    def _field(self, path: str, label: str, kind: Kind = "line") -> BenchField:
        return BenchField(path, self._say(label), kind, self._at(path), hint=example_of(self._say, path))

    def _choice(self, path: str, label: str, choices: Sequence[Choice]) -> BenchField:
        return with_current_values(BenchField(path, self._say(label), "choice", self._at(path), choices=choices))

    def _words_of(self, view: str, row: FilterRow) -> list[Choice]:
        """Return the words that the column of a filter's row may hold, and what the file asks for; none of others."""
        kind = view_columns().get(view, {}).get(row.column)
        vocabulary = vocabulary_of(view, row.column)
        if kind == "BOOLEAN":
            words = [Choice("true", self._say(later("yes"))), Choice("false", self._say(later("no")))]
        else:
            words = self._labelled(vocabulary or "", self._words.get(vocabulary or "", ()))
        offered = {choice.value for choice in words}
        return [*words, *(Choice(text, text) for text in row.texts if text not in offered)] if words else []

    # -- choices -------------------------------------------------------------------------------------------------------

    def _labelled(self, name: str, words: Iterable[str]) -> list[Choice]:
        labels = self._labels
        return [Choice(word, labels.of_clock(word) if name == "clock" else labels.of(name, word)) for word in words]

    def _views(self) -> list[Choice]:
        return [
            Choice(name, f"{self._labels.in_language(view)} · {name}") for name, view in view_catalogue.views().items()
        ]

    def _columns_of(self, view: str, kind: str | None = None) -> list[Choice]:
        known_view = view_catalogue.views().get(view)
        columns = known_view.columns.values() if known_view else ()
        return [
            Choice(column.name, f"{self._labels.in_language(column)} · {column.name}")
            for column in columns
            if column.name != "evidence" and kind in (None, column.kind)
        ]

    def _column_choices(self, names: Sequence[str]) -> list[Choice]:
        """Return the columns of the condition's rows, with the text of the view that they come from."""
        queried_views = [view_catalogue.views()[name] for name in self._asked if name in view_catalogue.views()]
        columns = {name: column for view in reversed(queried_views) for name, column in view.columns.items()}
        return [
            Choice(name, f"{self._labels.in_language(columns[name])} · {name}" if name in columns else name)
            for name in names
        ]

    def _references(self, kind: str) -> list[Choice]:
        names = self._parameter_names()
        names = [name for name in names if value_at(self._tree, f"parameters.{name}.type") == kind]
        return [Choice(f"${name}", self._at(f"parameters.{name}.default")) for name in names]

    def _parameter_names(self) -> list[str]:
        parameters = self._tree.get("parameters")
        return list(parameters) if isinstance(parameters, dict) else []


def rows_of_condition(tree: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the columns of the condition's rows with their types, and the views that they come from.

    Both are empty as long as the file cannot tell.
    """
    try:
        parameters = convert(tree.get("parameters") or {}, dict[str, Parameter])
        values = parameters_of(parameters, {})
        condition_tree = tree["condition"]
        faults, columns = check_condition(condition_tree, parameters)
        if faults:
            return {}, ()
        condition = condition_of(condition_tree)
        if isinstance(condition, Sql):
            return dict(columns), ()
        query = query_of(condition, parameters, values)
        return dict(query.columns), query.views
    except (TallystickError, msgspec.ValidationError, LookupError, ValueError, TypeError, AttributeError):
        return {}, ()  # faults are shown beside the file


EXAMPLES_HEADING = later("Examples on both sides of the border")
_LAST_STEP = re.compile(r"(?:^|\.)[^.\[]*$|\[[0-9]+\]$")
_OF_PARAMETER = {"default": later("default"), "minimum": later("at least"), "maximum": later("at most")}
_PARTS_OF_CHECK: tuple[tuple[str, str, Kind], ...] = (
    ("what", later("What must be checked"), "text"),
    ("by", later("By whom"), "line"),
)
# A heading, and a sentence on the purpose; that of a template's condition is its own.
_SECTIONS = {
    "condition": (later("What it looks for"), later("The views and their columns are listed beside.")),
    "parameters": (
        later("What others may set otherwise"),
        later("Another place that adopts the model sets these within the bounds."),
    ),
    "need": (later("Why it is wanted"), later("Business leads: no model is published without a stated need.")),
    "name": (later("Name and kind"), later("For those who look for it in the library.")),
    "law": (
        later("On what law it rests"),
        later("Each article with its words; one more line appears when the last one is filled in."),
    ),
    "lead": (later("The lead that it raises"), later("In the language of your work; the other may be added later.")),
    "checks": (
        later("What must be checked, and by whom"),
        later("Data is not evidence: a lead is believed only after this."),
    ),
}
