"""Results of work come back as they were, of the type that was declared, and what is no result calls nothing."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pickle
import re
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from inspect import isfunction
from pathlib import Path
from string import Formatter
from typing import Any, Literal, get_type_hints

import msgspec
import pytest
from babel.messages.pofile import read_po

import api
import ledger.i18n
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, NotFound, TallystickError, Unavailable
from ledger.core.messages import Message, Term, joined
from ledger.evidence.previews import Preview
from ledger.i18n import LANGUAGES, Labels, translate
from ledger.supervision.model_faults import LocalizedFault, ModelFault, ModelRefused, Wording
from ledger.supervision.models.definition import Cel, Condition, Sql, Template
from ledger.supervision.models.sql_guard import QueryRefused, require_sound
from ledger.supervision.runs.export_runs import RunResult
from ledger.supervision.view_catalogue import dataset_view, nearest, view_columns
from ledger.workers import pool, results
from ledger.workers.pool import MODULES
from ledger.workers.results import (
    CODES,
    FILLED_VOCABULARY,
    MOST_CHARACTERS,
    MOST_DEPTH,
    MOST_EXPONENT,
    MOST_NOTES,
    MOST_OF_ID,
    MOST_SLOTS,
    ResultRefused,
    TooManyValues,
    _carried,
    _errors,
    decode_result,
    encode_result,
)
from tests.testkit import machine

MOST = 10_000


def returned(value: object, kind: Any = Any) -> Any:
    """Return what comes back of a function that returns the value and declares the kind."""
    return decode_result(encode_result(value, MOST), kind, MOST)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**63),
        2**200,
        "公文",
        "\0l1",
        [1, [2, [Decimal("0.5")]]],
        {"a": {"1": [None]}, "\0": []},
        Decimal("1.50"),
        Decimal("1E+30"),
    ],
)
def test_plain_values_come_back(value: Any) -> None:
    """Equal, and of the same types, whether their type was declared or not."""
    for kind in (Any, type(value)) if type(value) is not Decimal else (Any,):
        result = returned(value, kind)
        assert result == value
        assert type(result) is type(value)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"\x00\xff", bytes),
        (0.5, float),
        (date(2026, 2, 28), date),
        (datetime(2026, 2, 28, 12, 0, 0, 5, tzinfo=UTC), datetime),
        (datetime(2026, 2, 28), datetime),  # noqa: DTZ001 - naive, as DuckDB gives them
        (Algorithm.BLAKE3, Algorithm),
        ("low", Literal["low", "high"]),
        (("a", 1), tuple[str, int]),
        (("a", "b"), tuple[str, ...]),
        ({"a": [{"b"}]}, Mapping[str, list[set[str]]]),
        (frozenset({1}), frozenset[int]),
        (None, str | None),
        (Preview(png=b"png", pages=3), Preview),
        (LocalizedFault(3, "need", "text"), LocalizedFault),
        ([ModelFault(1, "model", Wording("own_lines"))], list[ModelFault]),
        (Sql("SELECT 1", "all"), Condition),
        (Cel("events", "true"), Condition),
        (Template("overdue", {"days": Decimal("1.5")}), Condition),
        (RunResult([], None), RunResult),
    ],
)
def test_declared_values_come_back(value: Any, kind: Any) -> None:
    """Equal, and of the classes that the function declares."""
    result = returned(value, kind)
    assert result == value
    assert type(result) is type(value)


def test_collections_come_back_as_what_they_are_made_of() -> None:
    """A file's parser has its own classes of texts and mappings, with the place of each in the file."""
    quoted = type("Quoted", (str,), {})
    result = returned(OrderedDict({quoted("b"): quoted("text")}))
    assert (type(result), type(result["b"]), result) == (dict, str, {"b": "text"})


def test_half_a_character_comes_back_as_its_escape() -> None:
    """A file of others can spell it, UTF-8 cannot: not what was worked out, nor a refusal or a fault, is lost by it."""
    half = Message("{name} is unknown", name="\ud800")
    value = ("\ud800 公文", {"\ud800": Decimal("0.5")}, half, Term("kind", "\ud800"))
    assert returned(value, tuple[str, dict[str, Any], Message, Message]) == (
        "\\ud800 公文",
        {"\\ud800": Decimal("0.5")},
        "\\ud800 is unknown",
        "\\ud800",
    )
    refusal = returned(NotFound("{name} is unknown", name="\ud800"), TallystickError)
    assert refusal.text.params == {"name": "\\ud800"}


def test_messages_stay_translatable() -> None:
    """With their slots, also where one is filled by another message, or by what is no value."""
    inner = Message("{count:,} rows of {kind}", count=12_000, kind=Term("kind", "case"))
    message = Message("{path}: {fault}", path=Path("a.csv"), fault=inner)
    result = returned(message, Message)
    assert (str(result), result.msgid) == ("a.csv: 12,000 rows of case", "{path}: {fault}")
    assert result.params["fault"].params == inner.params
    assert result.params["fault"].params["kind"].context == "kind"
    chinese = Labels("zh-CN")
    assert chinese.translate(result) == chinese.translate(message)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.25, 0.25), (float("nan"), "nan"), (Decimal("1.50"), "1.50"), (date(2026, 2, 28), "2026-02-28"), (None, None)],
)
def test_slots_are_filled_as_they_were(value: Any, shown: Any) -> None:
    """A number as one, so that a form such as ``:g`` stays possible; what JSON has not, by its text."""
    result = returned(Message("{value} of them", value=value), Message)
    assert (result, result.params) == (f"{value} of them", {"value": shown})


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no case {case_id}", case_id="c-1", field="case_id", hint="Look again."),
        Conflict("it is taken", head="ab", sequence=4, code="no_font"),
        IntegrityBroken("entry {index} is not what was signed", index=7),
        Unavailable("later", retry_after=7),
        ModelRefused([ModelFault(2, "version", Wording("own_lines")), ModelFault(1, "model", Wording("one_select"))]),
    ],
)
def test_refusals_come_back(error: Any) -> None:
    """With class, text, code, field, hint, notes and whatever else they carry."""
    error.add_note("at the third row")
    result = returned(error, TallystickError)
    assert type(result) is type(error)
    assert (result.args, vars(result)) == (error.args, vars(error))
    assert result.text.msgid == error.text.msgid


@pytest.mark.parametrize("kind", sorted({*_errors(TallystickError)}, key=str), ids=lambda kind: kind.__name__)
def test_every_error_of_work_can_come_back(kind: Any) -> None:
    """What it carries is declared, of types that a result can have."""
    assert {"text", "field", "hint", "code"} <= _carried(kind).__annotations__.keys()
    decoder_of(_carried(kind))


class Evil:
    """What runs a command when its pickle is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what is called."""
        return os.system, ("false",)


class Foreign(TallystickError):
    """An error that no work raises."""


def forged_error(name: str, **fields: object) -> str:
    parts = {"text": ["text", "text", None, {}], "field": None, "hint": None} | fields
    return f"{name} {msgspec.json.encode(parts).decode()}"


@pytest.mark.parametrize(
    ("forged", "kind"),
    [
        (pickle.dumps(Evil()), Any),
        (b"", Any),
        (b"[1", Any),
        (b"1 2", Any),
        (b'"\xff"', Any),
        (b'"\\ud800"', Any),
        (b"NaN", Any),
        (b"9" * 5000, Any),
        ([None, None, True, 1], Preview),
        ({"png": 5}, Preview),
        ({"pages": True}, Preview),
        ({"png": "\0"}, Preview),
        (["text"], list[int]),
        (True, int),
        (["text"], bytes),
        ("medium", Literal["low", "high"]),
        ("md5", Algorithm),
        ({"type": "Sql", "text": "SELECT 1", "scope": "some"}, Condition),
        ({"type": "WorkerPool", "text": "SELECT 1", "scope": "all"}, Condition),
        ("2026-02-30T00:00:00", datetime),
        ([[1]], tuple[int, ...]),
        (["a", "a", None, {"slot": {}}], Message),
        (["a", "a", None, {"slot": []}], Message),
        (["a", "a", None], Message),
        (forged_error("tests.unit.workers.test_results:Foreign"), TallystickError),
        (forged_error("ledger.workers.pool:WorkFailed"), TallystickError),
        (forged_error("ledger.core.errors:NotFound"), MalformedInput),
        (forged_error("ledger.core.errors:NotFound", code=5), TallystickError),
        (forged_error("ledger.core.errors:NotFound", hint=[]), TallystickError),
        ('ledger.core.errors:NotFound {"text":"text","field":null}', TallystickError),
        ("ledger.core.errors:NotFound", TallystickError),
        (5, TallystickError),
    ],
)
def test_what_is_no_result_is_refused(forged: Any, kind: Any) -> None:
    """No function is called, no class is made but those that the function declares, with what they declare."""
    data = forged if isinstance(forged, bytes) else msgspec.json.encode(forged)
    with pytest.raises(ResultRefused):
        decode_result(data, kind, MOST)


def test_only_the_forgery_is_refused() -> None:
    """The last errors above would be errors, if they were of the right class and had a code that is a text."""
    forged = forged_error("ledger.core.errors:NotFound")
    assert isinstance(decode_result(msgspec.json.encode(forged), TallystickError, MOST), NotFound)


@pytest.mark.parametrize(
    "forged",
    [b"[" + b"[]," * (MOST // 2) + b"[]]", b"[" + b'"",' * MOST + b"0]", b'{"a":' * MOST + b"1" + b"}" * MOST],
    ids=["lists", "texts", "mappings"],
)
def test_a_result_has_no_more_values_than_were_agreed(forged: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is noticed where it is made and, before a value is made of it, where it is read."""
    monkeypatch.setattr(results, "decoder_of", lambda *_, **__: pytest.fail("it is decoded"))
    with pytest.raises(ResultRefused, match=r"^it has more than 10000 values"):
        decode_result(forged, Any, MOST)


def test_as_many_values_come_back_as_were_agreed() -> None:
    """Each but the first is counted by what stands before it."""
    assert returned([0] * (MOST - 1)) == [0] * (MOST - 1)
    with pytest.raises(TooManyValues):
        encode_result([0] * MOST, MOST)
    text = '[a, b: {c}, \\"d"], ' * MOST
    assert returned([text, text], list[str]) == [text, text], "what stands in texts is no value"


def long_refusals() -> list[TallystickError]:
    """Return refusals of models that list what there is, each of as much as there can be."""
    views = [*view_columns(), *(dataset_view(f"list-{number}") for number in range(200))]
    words = tuple(f"choice {number}" for number in range(200))
    choice = Wording("expected_choice", words=words, given="'x'")
    with pytest.raises(QueryRefused) as unknown_function:
        require_sound("SELECT zzqqxxww(case_id) AS case_id FROM cases", frozenset(view_columns()))
    return [
        unknown_function.value,
        QueryRefused(Wording("no_such_view", name="zzqqxxww"), nearest("zzqqxxww", views)),
        QueryRefused(choice),
        ModelRefused([ModelFault(1, "parameters.kind", choice)]),
        MalformedInput("unknown: {names}", names=joined(words, by=", ")),
    ]


def test_refusals_that_list_what_there_is_come_back() -> None:
    """A draft with a misspelled function is refused as it is, not as a failure of the worker."""
    for refusal in long_refusals():
        result = returned(refusal, TallystickError)
        assert (type(result), result.text, result.hint) == (type(refusal), refusal.text, refusal.hint)
        chinese = Labels("zh-CN")
        assert chinese.translate(result.text) == chinese.translate(refusal.text)
        assert len(result.hint or "") < 400, refusal


@pytest.mark.parametrize("around", [(b"[", b"]"), (b'{"a":', b"}"), (b'["]",[[]],', b"]"), (b'["\\"]",', b"]")])
def test_a_result_is_not_deep(around: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks through it must not come to the end of the stack. A bracket in a text is none."""
    beginning, end = around
    for count in (MOST_DEPTH - 2, MOST_DEPTH + 1):
        forged = beginning * count + b"1" + end * count
        if count == MOST_DEPTH + 1:
            monkeypatch.setattr(results, "decoder_of", lambda *_, **__: pytest.fail("it is decoded"))
            with pytest.raises(ResultRefused, match="deep"):
                decode_result(forged, Any, MOST)
        else:
            decode_result(forged, Any, MOST)


@pytest.mark.parametrize("end", [b"", b"\\", b"\xff", b'"', b"\n"])
def test_a_text_without_end_takes_no_longer(end: bytes) -> None:
    """Than one that ends: each of its quotation marks would begin another, for hours."""
    with pytest.raises(ResultRefused):
        decode_result(b"[" * (MOST_DEPTH + 1) + b'"' + b'\\"' * 2_000_000 + end, Any, MOST)


@pytest.mark.parametrize("key", ["1", "1.5", "null", '["a",1]', '{"a":1}', "[1,2]"])
def test_keys_hash_as_nobody_can_choose(key: str) -> None:
    """A million keys of one hash would take hours to put into a mapping: where none are declared, keys are texts."""
    with pytest.raises(ResultRefused, match="keys must be strings"):
        decode_result(f"{{{key}:1}}".encode(), Any, MOST)


@pytest.mark.parametrize("value", ["1E401", "-1E-401", "0E200000000", f"1.{'0' * MOST_EXPONENT}"])
def test_decimals_have_no_more_digits_than_numbers_of_machines(value: str) -> None:
    """Written out, a few characters would be 200 MB."""
    for forged, kind in ((value, Any), (f"[{value}]", list[Any]), (f'["a","{{x}}",null,{{"x":{value}}}]', Message)):
        with pytest.raises(ResultRefused, match="too many digits"):
            decode_result(forged.encode(), kind, MOST)
    for exponent in (MOST_EXPONENT, -MOST_EXPONENT):
        assert returned(Decimal(f"1E{exponent}")) == Decimal(f"1E{exponent}")


# Makes a process ready as one of a worker is, and prints how many threads it has then, and what is loaded.
MAKING_READY = """
import importlib, os, sys
for module, _, function in (name.partition(":") for name in sys.argv[1:]):
    loaded = importlib.import_module(module)
    if function:
        getattr(loaded, function)()
print(len(os.listdir("/proc/self/task")), *sys.modules)
"""


def test_workers_load_what_work_calls_and_no_more() -> None:
    """All functions of work, but nothing of a database or a terminal, and no thread, which would not be in the process
    of work, but what it holds locked. Of what is loaded, all that is given to an error in place of its class's code is
    known, and has its label."""
    command, environment = [sys.executable, "-c", MAKING_READY, *MODULES], os.environ | pool._FRUGAL
    shown = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    threads, *loaded = shown.stdout.split()
    assert threads == "1"
    assert len(functions_of_work()) > 15
    assert {function.__module__ for function in functions_of_work()} <= {*loaded}
    assert not {*loaded} & {"sqlalchemy", "sqlmodel", "pydantic", "prompt_toolkit", "structlog", "ledger.recording"}
    working = tuple(f"ledger.{part}." for part in ("evidence", "interchange", "supervision"))
    sources = [inspect.getsource(importlib.import_module(name)) for name in loaded if name.startswith(working)]
    calls = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    values = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "code"]
    assert {value.value for value in values if isinstance(value, ast.Constant)} == CODES
    assert all(Labels("zh-CN").find("refusal", code) for code in CODES)  # in English a code is its own label


def test_sentences_are_short_and_codes_are_of_work() -> None:
    """Whoever took over a worker fills no page and no log, and makes no name of a metric."""
    long = "x" * (MOST_CHARACTERS + 1)
    for forged in (
        NotFound(long, code="of_mine"),
        NotFound("{name}", name=long, field=long, hint=long, code="no_font"),
    ):
        for _ in range(MOST_NOTES + 1):
            forged.add_note(long)
        result = returned(forged, TallystickError)
        slots = result.text.params.values()
        assert {len(text) for text in (result.message, *slots, *result.notes)} == {MOST_CHARACTERS}
        assert len(result.notes) == MOST_NOTES
        assert {len(text) for text in (result.field, result.hint) if text} <= {MOST_CHARACTERS}
        assert result.code == ("not_found" if forged.code == "of_mine" else "no_font")


@pytest.mark.parametrize("context", [None, FILLED_VOCABULARY])
@pytest.mark.parametrize(
    ("msgid", "value"),
    [
        ("{count:>100000}", None),
        ("{count:,} rows", "text"),
        ("{count:c}", 2**40),
        ("{count:9999}", 1),
        ("{count:f}", 1e300),
        ("{count}" * 1000, "x" * MOST_CHARACTERS),
        ("{other}", 1),
        ("{count:.0}" * (MOST_SLOTS + 1), "x"),
    ],
)
def test_no_sentence_is_longer_in_another_language(msgid: str, value: Any, context: str | None) -> None:
    """A forged one is shown as it stands where its slots ask for more than that, or do not fit."""
    parts = ["as it is", msgid, context, {"count": value}]
    forged = decode_result(msgspec.json.encode(parts), Message, MOST)
    assert forged.params == {}
    assert translate(forged, "zh-CN", lambda _, value: value) == "as it is"


@pytest.mark.parametrize("length", [MOST_OF_ID, MOST_OF_ID + 1])
def test_no_long_sentence_is_taken_apart(length: int) -> None:
    """The service remembers the parts of a thousand of them: it shows a longer one as it stands."""
    msgid = "{count}".rjust(length, "x")
    english = msgid.replace("{count}", "1")
    forged = decode_result(msgspec.json.encode([english, msgid, None, {"count": 1}]), Message, MOST)
    assert (forged, bool(forged.params)) == (english, length == MOST_OF_ID)


def test_sentences_in_sentences_do_not_multiply() -> None:
    """One that has a slot twice, filled by such a one and so on, would be longer than any memory."""
    for form in (["{x}{x}", None], ["handover.offered", "sentence"]):
        parts: Any = "x"
        for _ in range(MOST_DEPTH // 2):
            parts = ["xx", *form, {"to_agency": 1, "x": parts}]
        forged = decode_result(msgspec.json.encode(parts), Message, MOST)
        assert len(translate(forged, "zh-CN", lambda _, value: value)) < 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_have_few_slots_and_faults_each_once(language: str) -> None:
    """So that those of work stay translatable, and are about as long as what fills them."""
    folder = language.replace("-", "_")
    catalogue = Path(ledger.i18n.__path__[0], "locale", folder, "LC_MESSAGES", "tallystick.po")
    with catalogue.open("rb") as file:
        messages = [message for message in read_po(file) if message.id]
    ids = [str(message.id) for message in messages if message.context is None and "{" in message.id]
    assert all(len(msgid) <= MOST_OF_ID and msgid.count("{") <= MOST_SLOTS for msgid in ids)
    texts = [str(message.string) for message in messages if message.context == FILLED_VOCABULARY]
    assert len(texts) > 100
    for text in texts:
        names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
        assert len(names) == len({*names}), text


def test_what_holds_more_than_values_is_no_result() -> None:
    """It is noticed where the result is made, or where its type is read."""
    with pytest.raises(TypeError, match="no result has a value of"):
        encode_result({"file": Path("a.csv")}, MOST)
    with pytest.raises(ResultRefused, match="no result is of type"):
        returned(1, Path)


@cache
def functions_of_work() -> set[Any]:
    """Return the functions that the service gives to workers by their names."""
    functions = set()
    for path in (file for package in (api, ledger) for file in Path(package.__path__[0]).rglob("*.py")):
        source = path.read_text("utf-8")
        if "workers" not in source and "work_on_file" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and re.search(r"workers\.run$|turn\.run$|\._do$|^work_on_file$", call):
                module = importlib.import_module(".".join(path.relative_to(machine.REPOSITORY).with_suffix("").parts))
                names = [argument.id for argument in node.args if isinstance(argument, ast.Name)]
                functions |= {each for name in names if isfunction(each := getattr(module, name, None))}
    return functions


@pytest.mark.parametrize("function", sorted(functions_of_work(), key=str), ids=lambda function: function.__name__)
def test_what_work_returns_can_come_back(function: Any) -> None:
    """It declares a type that msgspec decodes, in which no key is of a type whose hash whoever writes it can choose."""
    kind = get_type_hints(function)["return"]
    decoder_of(kind)
    shapes, keys = [msgspec.inspect.type_info(kind)], []
    for shape in shapes:
        keys += [each for each in (getattr(shape, "key_type", None),) if each is not None]
        keys += [shape.item_type] if isinstance(shape, msgspec.inspect.SetType | msgspec.inspect.FrozenSetType) else []
        parts = [getattr(shape, name) for name in ("type", "item_type", "value_type") if hasattr(shape, name)]
        parts += [*getattr(shape, "item_types", ()), *getattr(shape, "types", ())]
        parts += [field.type for field in getattr(shape, "fields", ())]
        shapes += [part for part in parts if part not in shapes]
    assert all(isinstance(getattr(key, "type", key), msgspec.inspect.StrType | msgspec.inspect.AnyType) for key in keys)
