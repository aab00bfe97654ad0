"""Types are described by one thread at a time: two at once end the process by signal 11."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from ledger.core.encoding.decoding import convert, decode_json, decoder_of
from tests.testkit import machine

# One thread describes Outer and is held where Outer is half described; another uses it then.
TWO_THREADS = """
import sys, threading
import msgspec
from ledger.core.encoding.decoding import convert, decode_json, decoder_of

class Inner(msgspec.Struct):
    number: int

class Outer(msgspec.Struct):
    inner: Inner

half_described, used, classes = threading.Event(), threading.Event(), []

def hold(frame, event, argument):
    if event == "call" and frame.f_code.co_name == "get_class_annotations":
        classes.append(frame.f_locals["obj"])
        if classes == [Outer, Inner]:
            half_described.set()
            used.wait(0.3)

def describe():
    sys.setprofile(hold)
    use()

def use():
    value = {use}
    assert value.inner.number == 1

first = threading.Thread(target=describe)
first.start()
assert half_described.wait(60)
use()
used.set()
first.join()
assert classes == [Outer, Inner]
"""
USES = [
    'decoder_of(Outer).decode(b\'{"inner":{"number":1}}\')',
    'decode_json(b\'{"inner":{"number":1}}\', Outer)',
    "convert({'inner': {'number': 1}}, Outer)",
]


FORMATS = ("msgspec.json", "msgspec.msgpack", "msgspec.toml", "msgspec.yaml")
# Only a module with one of these in its text can have such a call or import; the others need not be parsed.
MAY_DECODE = re.compile(
    r"\b(?:json|msgpack|toml|yaml)\.(?:decode|Decoder)\b|\bmsgspec\.convert\b|"
    r"from msgspec(?:\.(?:json|msgpack|toml|yaml) | import (?:\(|.*convert))"
)


def run(use: str) -> int:
    program = TWO_THREADS.replace("{use}", use)
    return subprocess.run([sys.executable, "-c", program], cwd=machine.REPOSITORY).returncode


class Row(msgspec.Struct):
    number: int


def test_a_text_and_a_tree_come_to_the_same_value() -> None:
    """Each function gives a value of the type, and refuses what is of another one."""
    assert decoder_of(Row).decode(b'{"number":1}') == decode_json('{"number":1}', Row) == convert({"number": 1}, Row)
    with pytest.raises(msgspec.ValidationError):
        decode_json(b'{"number":"1"}', Row)
    with pytest.raises(msgspec.ValidationError):
        convert({"number": "1"}, Row)


@pytest.mark.parametrize("use", USES)
def test_a_type_may_be_used_first_in_two_threads(use: str) -> None:
    """A thread that uses a type while another describes it waits for it, whichever function it uses."""
    assert run(use) == 0


def test_msgspec_alone_does_not_bear_it() -> None:
    """What the lock is for: without it the second thread reads a null pointer. Once this fails, the lock may go."""
    assert run('msgspec.json.decode(b\'{"inner":{"number":1}}\', type=Outer)') == -signal.SIGSEGV


def test_what_msgspec_does_not_know_is_made_by_a_hook() -> None:
    """Each time by the hook that was given."""
    assert decoder_of(complex, dec_hook=lambda kind, value: kind(value)).decode(b"1") == complex(1)
    assert decoder_of(list[Any], float_hook=str).decode(b"[1.50]") == ["1.50"]
    assert decoder_of(list[Any]).decode(b"[1.50]") == [1.5]


def test_nothing_decodes_by_type_beside_the_lock() -> None:
    """In ledger and api no type is given to msgspec but by ledger.core.encoding.decoding."""
    beside = [
        f"{path.relative_to(machine.REPOSITORY)}:{node.lineno}: {ast.unparse(node)}"
        for folder in ("ledger", "api")
        for path in (machine.REPOSITORY / folder).rglob("*.py")
        if path.relative_to(machine.REPOSITORY).as_posix() != "ledger/core/encoding/decoding.py"
        if MAY_DECODE.search(source := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(source))
        if gives_a_type(node)
    ]
    assert beside == []


def gives_a_type(node: ast.AST) -> bool:
    """Whether a call gives msgspec a type, or an import would hide such a call."""
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        return node.module in FORMATS or (node.module == "msgspec" and "convert" in names)
    if not isinstance(node, ast.Call):
        return False
    if getattr(node.func, "attr", None) not in ("decode", "Decoder", "convert"):
        return False
    function = ast.unparse(node.func)
    if function in ("json.decode", *(f"{name}.decode" for name in FORMATS)):
        return len(node.args) > 1 or bool(node.keywords)
    decoders = ("json.Decoder", *(f"{name}.Decoder" for name in FORMATS))
    return function == "msgspec.convert" or (function in decoders and bool(node.args or node.keywords))
