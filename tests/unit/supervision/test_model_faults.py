"""Model files: every fault is told with its line, its field, and what was expected there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from ruamel.yaml.events import Event

from ledger.core.errors import MalformedInput
from ledger.i18n import LANGUAGES, Labels
from ledger.supervision import model_faults
from ledger.supervision.model_faults import VOCABULARY, ModelRefused
from ledger.supervision.models import yaml_document
from ledger.supervision.models.editing import draft, tried_examples
from ledger.supervision.models.model_file import parse_draft, parse_model, require_publishable
from tests.testkit.parsing import parse_models_once
from tests.unit.i18n.test_locales import catalogue
from tests.unit.supervision.modelling import SOUND, changed, with_sql

SEVENTH = """    as_of: 2026-03-08T12:00:00Z
    rows:
      handovers:
        - {case_id: c1, handover_id: h1, status: offered, to_agency: pro-east, offered_at: 2026-03-01T02:00:00Z}
"""
BASIS = SOUND[SOUND.index("\n  - {zh: 人民") : SOUND.index("\nseverity")]
EIGHTH, RAISES, COLUMNS = (
    "  - name: eighth day",
    "raises: [{case_id: c1, handover_id: h1}]",
    "examples[0].rows.handovers[0]",
)
# name of the fault: what is replaced in the sound file, by what; the field that is named, a part of the message
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "unknown_key": ("title:", "titel:", "titel", "did you mean title"),
    "key_twice": ("version: 1", "version: 1\nversion: 2", "version", "stands twice"),
    "anchor": ("need:", "need: &n", "need", "anchors and aliases"),
    "tag": ("version: 1", "version: !!int 1", "version", "tags"),
    "other_number": ("version: 1", "version: 0x1", "version", "in quotes"),
    "number_for_text": ("requested_by: 案件管理部门", "requested_by: 7", "need.requested_by", "in quotes"),
    "no_need": ("need:", "needs:", "need", "missing"),
    "no_problem": ("  problem: {zh: 长期不签收, en: Offers wait}\n", "", "need.problem", "missing"),
    "empty_text": ("zh: 长期不签收, en: Offers wait", 'zh: "", en: ""', "need.problem", "at least: fill it in"),
    "comma_in_flow": ("en: Offers wait", "en: Offers, wait", "need.problem.wait", "needs quotes"),
    "text_for_mapping": ("{zh: 长期不签收, en: Offers wait}", "x", "need.problem", "zh, en"),
    "no_legal_basis": (BASIS, " []", "legal_basis", "length >= 1"),
    "unknown_word": ("severity: low", "severity: urgent", "severity", "low, medium, high"),
    "version_zero": ("version: 1", "version: 0", "version", ">= 1"),
    "no_slug": ("model: unanswered", "model: Un answered", "model", "a slug of at most 48"),
    "default_out_of_bounds": ("default: 7", "default: 61", "parameters.days.default", "1 to 60"),
    "default_of_other_type": ("default: 7", "default: soon", "parameters.days.default", "whole number"),
    "no_bounds": (", minimum: 1, maximum: 60", "", "parameters.days.minimum", "both bounds"),
    "bound_of_other_type": ("maximum: 60", "maximum: x", "parameters.days.maximum", "whole number"),
    "parameter_as_of": ("  days: {", "  as_of: {", "parameters.as_of", "its meaning already"),
    "parameter_type": ("type: integer", "type: int", "parameters.days.type", "integer"),
    "bounds_of_text": ("type: integer, default: 7", "type: text, default: x", "parameters.days.minimum", "of a text"),
    "choices_of_number": ("maximum: 60", "maximum: 60, choices: [a]", "parameters.days.choices", "only texts"),
    "two_conditions": ("  view: handovers", "  view: handovers\n  sql: x", "condition", "one of"),
    "no_view": ("  view: handovers\n", "", "condition.view", "missing"),
    "unknown_view": ("view: handovers", "view: handover", "condition.view", "handovers"),
    "unknown_column": ("row.status ==", "row.state ==", "condition.cel", "did you mean stage or status"),
    "unknown_parameter": ("parameters.days", "parameters.day", "condition.cel", "did you mean days"),
    "whole_row": ("row.status ==", 'row["status"] ==', "condition.cel", "write row.name"),
    "clock": ("legal_day(as_of)", "legal_day(now())", "condition.cel", "unknown function 'now'"),
    "list_in_list": ("&& days(", "&& [1].all(x, [x].all(y, y == 1)) && days(", "condition.cel", "within another"),
    "divided_by_a_column": (
        "> parameters.days",
        "> parameters.days / row.items",
        "condition.cel",
        "divide only by a number",
    ),
    "divided_by_zero": ("> parameters.days", "> parameters.days % 00", "condition.cel", "divide only by a number"),
    "comment": ("> parameters.days", "> parameters.days // )", "condition.cel", "no comment"),
    "list_made_of_lists": ("&& days(", "&& size(['a'].map(x, x + x)) == 1 && days(", "condition.cel", "function 'map'"),
    "no_cel": ("> parameters.days", ">", "condition.cel", "not CEL, at character"),
    "unknown_name": ("legal_day(as_of)", "legal_day(today)", "condition.cel", "unknown name 'today'"),
    "key_is_no_column": ("key: [case_id, handover_id]", "key: [case_id, handover]", "lead.key[1]", "did"),
    "supervised_is_no_column": ("supervised: to_agency", "supervised: agency", "lead.supervised", "did"),
    "unknown_place": ("{offered_at}", "{offered}", "lead.says.en", "offered_at"),
    "lone_bracket": ("{offered_at}", "{offered_at", "lead.says.en", "bracket"),
    "nothing_must_raise": (RAISES, "raises: []", "examples", "that must raise"),
    "all_must_raise": ("raises: []", RAISES, "examples", "must not raise"),
    "no_moment": ("as_of: 2026-03-09T00:00:00Z", "as_of: 2026-03-08", "examples[0].as_of", "a time in UTC"),
    "unknown_view_in_example": ("      handovers:", "      handover:", "examples[0].rows.handover", "did"),
    "unknown_column_in_example": ("status: offered, to", "state: offered, to", f"{COLUMNS}.state", "did you mean"),
    "column_of_other_type": ("at: 2026-03-01T02:00:00Z", "at: soon", f"{COLUMNS}.offered_at", "a time in UTC"),
    "empty_row": (
        SEVENTH,
        "    as_of: 2026-03-08T12:00:00Z\n    rows: {handovers: [{}]}\n",
        "examples[1].rows.handovers[0]",
        "at least one column of handovers",
    ),
    "raises_other_key": (RAISES, "raises: [{case_id: c1}]", "examples[0].raises[0]", "case_id, handover_id"),
    "parameter_of_an_example": (EIGHTH, f"{EIGHTH}\n    parameters: {{day: 1}}", "examples[0].parameters.day", "days"),
    "example_out_of_bounds": (EIGHTH, f"{EIGHTH}\n    parameters: {{days: 0}}", "examples[0].parameters.days", "60"),
    "bidirectional_control": ("Offers wait", "Offers \u202e wait", "", "U+202E"),
    "escaped_nul": ("en: Offers wait", 'en: "Offers \\0 wait"', "need.problem.en", "NUL"),
    "not_yaml": ("need:", "need: [", "", "not YAML"),
}
# Faults that are named at another line than that of the change: what stands there.
ELSEWHERE = {
    "no_need": "model: unanswered",
    "no_problem": "need:",
    "two_conditions": "condition:",
    "no_view": "condition:",
    "nothing_must_raise": "examples:",
    "all_must_raise": "examples:",
    "not_yaml": "requested_by",
}


# What a query may not do is tried in test_query_session; here, that its author is told at his condition.
QUERIES = [
    ("SELECT case_id, handover_id, to_agency FROM handovers", "need a column evidence"),
    ("SELECT case_id, handover_id, to_agency, evidence FROM handover", "Did you mean handovers"),
    ("SELECT case_id, handover_id, to_agency, evidence FROM handovers WHERE $dais > 1", "did you mean days"),
    ('SELECT case_id, handover_id, to_agency, evidence, 1 AS "Größe" FROM handovers', "another name"),
    ("SELECT *, random() AS chance FROM handovers", "another result"),
]


def refusal_of(text: str) -> ModelRefused:
    """Return the refusal of a text, each of whose faults is told in Chinese too.

    Names, and what an engine says, stay in their words within the sentence.
    """
    with pytest.raises(ModelRefused) as refused:
        parse_model(text)
    for fault in refused.value.told_in(Labels("zh-CN")):
        own = re.sub("(YAML：|CEL 条件.*：|查询引擎报告：|对视图的查询：).*", r"\1", fault.message).partition("\n")[0]
        assert re.search("[\u4e00-\u9fff]", own), fault
        assert not re.search("[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}", own), fault
    return refused.value


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_line_field_and_what_was_expected(name: str) -> None:
    """One change of a sound file is refused at its own line, under its own field, in words that help."""
    old, new, field, message = FAULTS[name]
    text = changed((old, new))
    refusal = refusal_of(text)
    faults = {fault.field: fault for fault in refusal.faults}
    assert field in faults, refusal.faults
    assert message in faults[field].message
    line = faults[field].line
    if name in ELSEWHERE:
        assert ELSEWHERE[name] in text.splitlines()[line - 1]
    else:
        pairs = enumerate(zip(SOUND.splitlines(), text.splitlines(), strict=False), start=1)
        assert line == next(number for number, (before, after) in pairs if before != after)


def test_every_wording_is_in_both_catalogues_with_the_same_slots() -> None:
    """A sentence that is written in the code can be said to every reader, with all that it says of the file."""
    english, chinese = (catalogue(language)[VOCABULARY] for language in LANGUAGES)
    folder = Path(model_faults.__file__).parent
    code = "".join(file.read_text(encoding="utf-8") for file in folder.rglob("*") if file.suffix in (".py", ".toml"))
    quoted = set(re.findall(r'"(\w+)"', code))
    assert set(re.findall(r'Wording\(\s*"(\w+)"', code)) <= english.keys() == chinese.keys()
    assert [word for word in english if not {word, word.removeprefix("a_")} & quoted] == []
    other_slots = {word for word in english if slots(english[word]) ^ slots(chinese[word]) not in (set(), {"kind"})}
    assert other_slots == set()


def slots(entry: str) -> set[str]:
    """Return the names of an entry's slots."""
    return {name for _, name, _, _ in Formatter().parse(entry) if name}


def test_a_sound_file_is_a_model() -> None:
    """What the faults are changes of is taken, with its digest and its defaults."""
    model = parse_model(SOUND)
    assert (model.model_id, model.version, model.scope, model.views) == ("unanswered", 1, "case", ("handovers",))
    assert model.digest.startswith("blake3:")
    assert model.parameters_of({}) == {"days": 7}


def test_all_that_is_to_be_filled_in_is_told_at_once() -> None:
    """An author sees every empty text of the file, by line, not one after the other."""
    texts = ("zh: 长期不签收, en: Offers wait", "zh: 日数, en: days", "zh: 案件管理部门, en: case management")
    refusal = refusal_of(changed(*((text, 'zh: "", en: ""') for text in texts)))
    places = ("need.problem", "parameters.days.meaning", "checks[0].by")
    assert [fault.field for fault in refusal.faults] == [*places]
    assert refusal.hint == "There are 2 more faults in the file."


def test_a_text_in_one_language_stands_for_the_other() -> None:
    """Left out or empty, in whatever part; the file stays as it was written, and one in neither is a fault."""
    text = changed(("en: Offers wait", 'en: ""'), ("{zh: 日数, en: days}", "{zh: 日数}"), ("zh: 核实是否收到, ", ""))
    model = parse_model(text)
    assert (model.need.problem.en, model.parameters["days"].meaning.en) == ("长期不签收", "日数")
    assert model.checks[0].what.zh == "Ask whether it arrived"
    assert model.definition == text


def test_a_draft_is_run_before_its_texts_are_written() -> None:
    """What it looks for must be sound; its leads say the values of their key as long as they say nothing else."""
    text = draft("a", "cel")
    refusal_of(text)
    assert parse_draft(text).lead.says.zh == "{case_id} · {handover_id}"
    assert parse_draft(SOUND).lead.says == parse_model(SOUND).lead.says
    assert all(example.passed for example in tried_examples(text))
    with pytest.raises(ModelRefused, match="colour"):
        parse_draft(text.replace("row.status", "row.colour"))


NOT_PLAIN = {
    "brackets": "[" * 60_000,
    "deep": "a: " + "{a: " * 30,
    "bomb": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "directive": "%YAML 1.1\n---\na: yes\n",
    "two": "a: 1\n---\na: 2\n",
    "list as key": "? [a]\n: b\n",
    "long": SOUND + "# " + "x" * 32_000,
    "heavy": SOUND + "# " + "签" * 22_000,
    "surrogate": "a: \ud800\n",
    "list": "- a list\n",
    "empty": "",
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_no_plain_yaml_is_refused(name: str) -> None:
    """Texts that grow, that read otherwise than they look, or that are something else."""
    with pytest.raises(ModelRefused):
        parse_model(NOT_PLAIN[name])


def test_words_of_other_yaml_versions_are_text() -> None:
    """``no`` is no truth, a time is as it is written."""
    model = parse_model(changed(("case_id: c1, handover_id: h1, status", "case_id: no, handover_id: h1, status")))
    assert model.examples[0].rows["handovers"][0]["case_id"] == "no"
    assert model.examples[0].as_of == "2026-03-09T00:00:00Z"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"days": 0}, "1 to 60"),
        ({"days": "61"}, "1 to 60"),
        ({"days": "3; DROP TABLE handovers"}, "whole number"),
        ({"days": True}, "whole number"),
        ({"days": None}, "whole number"),
        ({"day": 3}, "did you mean days"),
    ],
)
def test_parameters_keep_their_bounds(values: dict[str, object], message: str) -> None:
    """A value of another type, out of bounds or under another name is refused under the parameter's name."""
    with pytest.raises(MalformedInput, match=message) as refused:
        parse_model(SOUND).parameters_of(values)
    assert str(refused.value.field).startswith("parameters.")


def test_parameters_are_taken_as_text_too() -> None:
    """Adoptions carry texts: they come to the same values."""
    parameters = """\
  share: {type: decimal, default: 0.5, minimum: 0.1, maximum: 1.0, meaning: {zh: 比例, en: share}}
  on: {type: boolean, default: false, meaning: {zh: 开启, en: on}}
  day: {type: date, default: 2026-01-01, minimum: 2020-01-01, meaning: {zh: 日, en: day}}
  word: {type: text, default: a, choices: [a, b], meaning: {zh: 词, en: word}}
  set: {type: dataset, default: pensions, meaning: {zh: 数据集, en: data set}}
"""
    model = parse_model(changed(("parameters:\n", f"parameters:\n{parameters}")))
    texts = {"share": "0.25", "on": "true", "day": "2026-02-01", "word": "b", "set": "pensions-2", "days": "9"}
    values = model.parameters_of(texts)
    assert model.parameters_of(values) == values
    assert [str(value) for value in values.values()] == ["0.25", "True", "2026-02-01", "b", "pensions-2", "9"]
    with pytest.raises(MalformedInput, match="one of a, b"):
        model.parameters_of({"word": "c"})
    with pytest.raises(MalformedInput, match="id of a data set"):
        model.parameters_of({"set": 'x" JOIN events'})


def test_a_model_whose_examples_fail_is_not_publishable() -> None:
    """What an author says of his rows must be so."""
    with pytest.raises(ModelRefused, match="seventh day") as refused:
        require_publishable(changed(("as_of: 2026-03-08T12:00:00Z", "as_of: 2026-03-09T12:00:00Z")))
    assert refused.value.faults[0].field == "examples[1]"
    assert require_publishable(SOUND) == parse_model(SOUND)


@pytest.mark.parametrize(("sql", "message"), QUERIES)
def test_bad_queries_are_refused_when_they_are_read(sql: str, message: str) -> None:
    """Writes, chance, names that are not there: the author is told at his condition."""
    refusal = refusal_of(with_sql(sql))
    assert any(message in fault.message for fault in refusal.faults), refusal.faults
    assert all(fault.field.startswith("condition") for fault in refusal.faults)


def test_nothing_is_parsed_behind_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An anchor in the first line ends it, however much follows; and where files are parsed once for all tests, too."""
    parse_models_once()
    lines: list[int] = []

    class Counted(yaml_document.YAML):
        def parse(self, stream: str) -> Iterator[Event]:
            for event in super().parse(stream):
                lines.append(event.start_mark.line)
                yield event

    monkeypatch.setattr(yaml_document, "YAML", Counted)
    for _ in range(2):
        with pytest.raises(ModelRefused, match="anchors"):
            yaml_document.read_document("a: &a 1\n" + "b: [1, 2, 3]\n" * 1000)
        assert max(lines) == 0
    assert yaml_document.read_document("a: 1\nb: 2\n").tree == {"a": 1, "b": 2}
    assert max(lines) == 2
