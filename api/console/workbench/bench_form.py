"""The workbench's form: the parts of a model's file as fields, named by their paths in the file.

The file is authoritative: fields are read from it, and what is typed into them is written to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from api.console.shared.forms import PostedForm
from api.console.workbench.bench_fields import (
    BenchField,
    BenchSection,
    Choice,
    ExampleForm,
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
from ledger.i18n import Labels
from ledger.supervision import view_catalogue
from ledger.supervision.models.conditions import columns_of_sql, condition_of, faults_of_condition, query_of
from ledger.supervision.models.definition import Parameter, Sql, parameters_of, text_of
from ledger.supervision.models.editing import value_at
from ledger.supervision.models.templates import TemplateField, TemplateForm, forms, vocabulary
from ledger.supervision.view_catalogue import view_columns


class BenchForm:
    """The fields of one file in a reader's language. ``datasets`` are the ids of the registered data sets."""

    def __init__(self, tree: Mapping[str, Any], labels: Labels, datasets: Sequence[str] = ()):
        self._tree = tree
        self._labels = labels
        self._say = Texts(labels.language)
        self._datasets = datasets
        self.columns, self._asked = rows_of_condition(tree)

    def sections(self) -> Iterator[BenchSection]:
        """Yield the sections in the order in which a prosecutor thinks: need, condition, law, lead, checks."""
        say = self._say
        yield BenchSection("need", say(_HEADINGS["need"]), say(_ABOUT["need"]), tuple(self._need()))
        yield BenchSection("condition", say(_HEADINGS["condition"]), self._about_condition(), tuple(self._condition()))
        if parameters := tuple(self._parameters()):
            yield BenchSection("parameters", say(_HEADINGS["parameters"]), say(_ABOUT["parameters"]), parameters)
        yield BenchSection("name", say(_HEADINGS["name"]), say(_ABOUT["name"]), tuple(self._name()))
        yield BenchSection("law", say(_HEADINGS["law"]), say(_ABOUT["law"]), tuple(self._law()))
        yield BenchSection("lead", say(_HEADINGS["lead"]), say(_ABOUT["lead"]), tuple(self._lead()))
        yield BenchSection("checks", say(_HEADINGS["checks"]), say(_ABOUT["checks"]), tuple(self._checks()))

    def examples(self) -> Iterator[ExampleForm]:
        """Yield the examples, each with the rows of its views as fields."""
        for number, example in enumerate(list_of(self._tree.get("examples"))):
            if isinstance(example, dict):
                yield ExampleForm(number, example, self._say)

    def changes(self, form: PostedForm) -> dict[str, object]:
        """Return what was typed, by path, if it differs from the file."""
        changes: dict[str, object] = {}
        fields = [field for section in self.sections() for field in section.fields]
        for field in (*fields, *(field for example in self.examples() for field in example.fields())):
            changes |= changed(field, form)
        return changes

    # -- sections ------------------------------------------------------------------------------------------------------

    def _need(self) -> Iterator[BenchField]:
        yield self._both("need.problem", later("The problem that was met in casework"))
        yield self._line("need.requested_by", later("The office that wants it, never a person's name"))
        yield self._both("need.expected_outcome", later("What should come of it"))

    def _name(self) -> Iterator[BenchField]:
        yield self._both("title", later("Title"), kind="line")
        yield self._both("explanation", later("What is found, and what is left out"))
        lines = self._labelled("business_line", terms.choices(terms.BusinessLine))
        yield self._choice("business_line", later("Business line"), lines)
        yield self._choice("severity", later("Severity"), self._labelled("severity", terms.choices(terms.Severity)))

    def _law(self) -> Iterator[BenchField]:
        for number in range(len(list_of(self._tree.get("legal_basis"))) + 1):
            yield self._both(f"legal_basis[{number}]", later("Article and its words"), optional=number > 0)

    def _checks(self) -> Iterator[BenchField]:
        for number in range(len(list_of(self._tree.get("checks"))) + 1):
            yield self._both(f"checks[{number}].what", later("What must be checked"), optional=number > 0)
            yield self._both(f"checks[{number}].by", later("By whom"), kind="line", optional=number > 0)

    def _lead(self) -> Iterator[BenchField]:
        names = [*self.columns, *(name for name in self._parameter_names() if name not in self.columns)]
        hint = self._say(
            later("Put in what was found as {{name}}: {names}"), names=" ".join(f"{{{name}}}" for name in names)
        )
        says = self._both("lead.says", later("What the lead says"))
        yield says._replace(hint=f"{says.hint} {hint}")
        columns = [name for name, kind in self.columns.items() if kind == "VARCHAR"]
        yield self._choice(
            "lead.supervised", later("Which column has the agency that must answer"), self._column_choices(columns)
        )
        yield self._many(
            "lead.key", later("Two findings are the same one if these agree"), self._column_choices(columns)
        )

    def _parameters(self) -> Iterator[BenchField]:
        for name in self._parameter_names():
            path = f"parameters.{name}"
            yield self._both(f"{path}.meaning", later("${name}: what it means"), kind="line", name=name)
            kind = value_at(self._tree, f"{path}.type")
            for part in ("default", "minimum", "maximum") if kind in ("integer", "decimal") else ("default",):
                meaning = self._at(f"{path}.meaning.{'zh' if self._labels.language == 'zh-CN' else 'en'}") or f"${name}"
                yield BenchField(
                    f"{path}.{part}",
                    f"{meaning}: {self._say(_OF_PARAMETER[part])}",
                    "number",
                    self._at(f"{path}.{part}"),
                )

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
            yield self._code("condition.cel", later("Condition on a row"))
        elif "sql" in condition:
            yield self._code("condition.sql", later("Query over the views"))

    def _about_condition(self) -> str:
        form = forms().get(str(value_at(self._tree, "condition.template")))
        if form is not None:
            return in_plain_words(form, self._labels)
        return self._say(_ABOUT["condition"])

    def _of_template(self, name: str, field: TemplateField, template_values: Mapping[str, Any]) -> BenchField:
        """Return a field of the template's form, as ``templates.toml`` defines it."""
        path, optional = f"condition.with.{name}", not field.required
        label = self._labels.told(field)
        view = str(template_values.get("view", "")) if field.of == "view" else field.of or ""
        base = BenchField(
            path, label, "line", self._at(path), optional=optional, hint=example_of(self._say, field.kind)
        )
        match field.kind:
            case "view":
                fitting = [view for view in self._views() if view_columns()[view.value].keys() >= set(field.has)]
                return base._replace(kind="choice", choices=fitting)
            case "column":
                return base._replace(kind="choice", choices=self._columns_of(view, field.type))
            case "columns":
                return base._replace(kind="many", choices=self._columns_of(view), values=self._several(path))
            case "words":
                words = [Choice(word, self._word(field.of or "", word)) for word in vocabulary(field.of or "")]
                return base._replace(kind="many", choices=words, values=self._several(path))
            case "where":
                columns = self._columns_of(view)
                rows = rows_of(template_values.get(name))
                hint = base.hint if rows is not None else self._say(later("This filter is written in the file alone."))
                return base._replace(
                    kind="filter", choices=columns if rows is not None else (), rows=rows or (), hint=hint
                )
            case "yes_no":
                default = self._at(path) or text_of(field.default)
                return base._replace(kind="yes_no", value=default)
            case "count":
                numbers = self._references("integer")
                return base._replace(
                    kind="count", choices=numbers, hint=self._say(later("a number as 7, or a parameter as $name"))
                )
            case "dataset":
                registered = [Choice(dataset_id, dataset_id) for dataset_id in self._datasets]
                return base._replace(kind="count", choices=[*registered, *self._references("dataset")])
        return base

    # -- fields --------------------------------------------------------------------------------------------------------

    def _at(self, path: str) -> str:
        value = value_at(self._tree, path)
        return "" if value is None or isinstance(value, dict) else text_of(value)

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

    def _line(self, path: str, label: str) -> BenchField:
        return BenchField(path, self._say(label), "line", self._at(path), hint=example_of(self._say, path))

    def _code(self, path: str, label: str) -> BenchField:
        return BenchField(path, self._say(label), "code", self._at(path), hint=example_of(self._say, path))

    def _choice(self, path: str, label: str, choices: Sequence[Choice]) -> BenchField:
        return with_current_values(BenchField(path, self._say(label), "choice", self._at(path), choices=choices))

    def _many(self, path: str, label: str, choices: Sequence[Choice]) -> BenchField:
        return with_current_values(
            BenchField(path, self._say(label), "many", values=self._several(path), choices=choices)
        )

    # -- choices -------------------------------------------------------------------------------------------------------

    def _labelled(self, name: str, words: Sequence[str]) -> list[Choice]:
        return [Choice(word, self._labels.of(name, word)) for word in words]

    def _word(self, name: str, word: str) -> str:
        return self._labels.of_clock(word) if name == "clock" else self._labels.of(name, word)

    def _views(self) -> list[Choice]:
        return [Choice(name, f"{name} · {self._labels.told(view)}") for name, view in view_catalogue.views().items()]

    def _columns_of(self, view: str, kind: str | None = None) -> list[Choice]:
        known_view = view_catalogue.views().get(view)
        columns = known_view.columns.values() if known_view else ()
        return [
            Choice(column.name, f"{column.name} · {self._labels.told(column)}")
            for column in columns
            if column.name != "evidence" and kind in (None, column.kind)
        ]

    def _column_choices(self, names: Sequence[str]) -> list[Choice]:
        """Return the columns of the condition's rows, with the text of the view that they come from."""
        queried_views = [view_catalogue.views()[name] for name in self._asked if name in view_catalogue.views()]
        columns = {name: column for view in reversed(queried_views) for name, column in view.columns.items()}
        return [
            Choice(name, f"{name} · {self._labels.told(columns[name])}" if name in columns else name) for name in names
        ]

    def _references(self, kind: str) -> list[Choice]:
        names = (
            parameter
            for parameter in self._parameter_names()
            if value_at(self._tree, f"parameters.{parameter}.type") == kind
        )
        return [Choice(f"${name}", self._at(f"parameters.{name}.default")) for name in names]

    def _parameter_names(self) -> list[str]:
        parameters = self._tree.get("parameters")
        return list(parameters) if isinstance(parameters, dict) else []


def in_plain_words(form: TemplateForm, labels: Labels) -> str:
    """Return what a template finds, without the list of its columns, which is shown where it is needed."""
    return labels.told(form).partition(" The row has")[0].partition("结果含")[0]


def rows_of_condition(tree: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the columns of the condition's rows with their types, and the views that they come from.

    Both are empty as long as the file cannot tell.
    """
    try:
        parameters = convert(tree.get("parameters") or {}, dict[str, Parameter])
        values = parameters_of(parameters, {})
        condition_tree = tree["condition"]
        if next(faults_of_condition(condition_tree, parameters), None) is not None:
            return {}, ()
        condition = condition_of(condition_tree)
        if isinstance(condition, Sql):
            return columns_of_sql(condition.text, values), ()
        query = query_of(condition, values)
        return dict(query.columns), query.views
    except (TallystickError, msgspec.ValidationError, LookupError, ValueError, TypeError, AttributeError):
        return {}, ()  # faults are shown beside the file


_OF_PARAMETER = {"default": later("default"), "minimum": later("at least"), "maximum": later("at most")}
_HEADINGS = {
    "need": later("Why it is wanted"),
    "condition": later("What it looks for"),
    "parameters": later("What others may set otherwise"),
    "name": later("Name and kind"),
    "law": later("On what law it rests"),
    "lead": later("The lead that it raises"),
    "checks": later("What must be checked, and by whom"),
}
_ABOUT = {
    "need": later("Business leads: no model is published without a stated need."),
    "condition": later("The views and their columns are listed beside."),
    "parameters": later("Another place that adopts the model sets these within the bounds."),
    "name": later("For those who look for it in the library."),
    "law": later("Each article with its words; one more line appears when the last one is filled in."),
    "lead": later("In both languages, so that everybody reads it."),
    "checks": later("Data is not evidence: a lead is believed only after this."),
}
