"""Results of work come back as they were, and what is no result calls nothing."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.core.encoding.digests import Algorithm
from ledger.core.errors import Conflict, IntegrityBroken, NotFound
from ledger.core.messages import Message, Term
from ledger.evidence.previews import Preview
from ledger.i18n import Labels
from ledger.supervision.model_faults import LocalizedFault, ModelFault, ModelRefused, Wording
from ledger.workers.results import ResultRefused, decode_result, encode_result


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0.5,
        -(2**63),
        2**200,
        "公文",
        b"\x00\xff",
        [1, (2, [3]), {4}, frozenset({"5"})],
        {"a": {1: (None,)}, ("b",): []},
        Decimal("1.50"),
        date(2026, 2, 28),
        datetime(2026, 2, 28, 12, 0, 0, 5, tzinfo=UTC),
        datetime(2026, 2, 28),  # noqa: DTZ001 - naive, as DuckDB gives them
        Algorithm.BLAKE3,
        msgspec.UNSET,
        Preview(png=b"png", pages=3),
        LocalizedFault(3, "need", "text"),
        [ModelFault(1, "model", Wording("own_lines"))],
    ],
)
def test_values_come_back(value: Any) -> None:
    """Equal, and of the same types."""
    result = decode_result(encode_result(value))
    assert result == value
    assert type(result) is type(value)


def test_collections_come_back_as_what_they_are_made_of() -> None:
    """A file's parser has its own classes of texts and mappings, with the place of each in the file."""
    result = decode_result(encode_result(OrderedDict(b=type("Quoted", (str,), {})("text"))))
    assert (type(result), type(result["b"]), result) == (dict, str, {"b": "text"})


def test_half_a_character_comes_back_as_its_escape() -> None:
    """A file of others can spell it, UTF-8 cannot: not what was worked out, nor a refusal or a fault, is lost by it."""
    half = Message("{name} is unknown", name="\ud800")
    assert decode_result(encode_result(["\ud800 公文", half, Term("kind", "\ud800")])) == [
        "\\ud800 公文",
        "\\ud800 is unknown",
        "\\ud800",
    ]
    assert decode_result(encode_result(NotFound("{name} is unknown", name="\ud800"))).text.params == {"name": "\\ud800"}


def test_messages_stay_translatable() -> None:
    """With their slots, also where one is filled by another message, or by what is no value."""
    inner = Message("{count:,} rows of {kind}", count=12_000, kind=Term("kind", "case"))
    message = Message("{path}: {fault}", path=Path("a.csv"), fault=inner)
    result = decode_result(encode_result(message))
    assert (str(result), result.msgid) == ("a.csv: 12,000 rows of case", "{path}: {fault}")
    assert result.params["fault"].params == inner.params
    assert result.params["fault"].params["kind"].context == "kind"
    chinese = Labels("zh")
    assert chinese.translate(result) == chinese.translate(message)


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no case {case_id}", case_id="c-1", field="case_id", hint="Look again."),
        Conflict("it is taken", head="ab", sequence=4, code="id_taken"),
        IntegrityBroken("entry {index} is not what was signed", index=7),
        ModelRefused([ModelFault(2, "version", Wording("own_lines")), ModelFault(1, "model", Wording("one_select"))]),
    ],
)
def test_refusals_come_back(error: Any) -> None:
    """With class, text, code, field, hint, notes and whatever else they carry."""
    error.add_note("at the third row")
    result = decode_result(encode_result(error))
    assert type(result) is type(error)
    assert (result.args, vars(result)) == (error.args, vars(error))
    assert result.text.msgid == error.text.msgid


class Evil:
    """What runs a command when its pickle is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what is called."""
        return os.system, ("false",)


@pytest.mark.parametrize(
    "forged",
    [
        b"",
        pickle.dumps(Evil()),
        msgspec.msgpack.encode(["o", "os:system", "false"]),
        msgspec.msgpack.encode(["o", "subprocess:Popen", "false"]),
        msgspec.msgpack.encode(["o", "ledger.workers.pool:WorkerPool", 1]),
        msgspec.msgpack.encode(["o", "ledger.workers.pool:os", 1]),
        msgspec.msgpack.encode(["o", "ledger.workers.pool:OrderedDict", 1]),
        msgspec.msgpack.encode(["o", "ledger.core.errors:refuse", "rule", "text"]),
        msgspec.msgpack.encode(["e", "ledger.workers.pool:WorkFailed", ["t"], []]),
        msgspec.msgpack.encode(["x", "ledger.evidence.previews:Preview", 1]),
        msgspec.msgpack.encode(["o", "ledger.evidence.previews:Preview", b"one", "part"]),
        msgspec.msgpack.encode(["z"]),
        msgspec.msgpack.encode(["d", 1]),
    ],
)
def test_what_is_no_result_is_refused(forged: bytes) -> None:
    """No function is called, and no class but those that hold values is made."""
    with pytest.raises(ResultRefused):
        decode_result(forged)


def test_what_holds_more_than_values_is_no_result() -> None:
    """It is noticed where the result is made."""
    with pytest.raises(TypeError, match="no result has a value of"):
        encode_result({"file": Path("a.csv")})
