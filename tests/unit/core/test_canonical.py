"""Canonical bytes: RFC 8785 under the ledger's profile, one spelling per value, every other refused by its field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.events import decode_submission
from tests.testkit.builders import refused_at, section
from tests.testkit.casework import Case

ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

keys = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0" + BIDI))
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


class Row(msgspec.Struct):
    count: int


class Table(msgspec.Struct):
    row: Row


def submission() -> bytes:
    """A good submission: the registration of a phone, with a confidential section."""
    return Case().open().register("phone", seal_number="S-1", condition="screen broken").last.submission


def replaced(old: str, new: str | bytes) -> bytes:
    """The good submission with the first ``old`` replaced."""
    data = submission()
    assert old.encode() in data
    return data.replace(old.encode(), new if isinstance(new, bytes) else new.encode(), 1)


def refusal(data: bytes) -> MalformedInput:
    with pytest.raises(MalformedInput) as caught:
        decode_submission(data)
    return caught.value


# -- against RFC 8785 --------------------------------------------------------------------------------------------------


@given(values)
def test_encoding_is_rfc_8785(value: Any) -> None:
    """Every value of the profile has the bytes that an independent implementation of RFC 8785 gives it."""
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(values)
def test_canonical_bytes_decode_to_their_value(value: Any) -> None:
    """The canonical bytes of a value of the profile are accepted and give the value back."""
    assert canonical.decode(canonical.encode(value), ANYTHING) == value


@given(values, st.randoms(use_true_random=False))
def test_a_second_spelling_is_refused(value: Any, random: Any) -> None:
    """The same value with other white space, escapes or order of keys is refused."""
    spellings = {
        json.dumps(value, ensure_ascii=True).encode(),
        json.dumps(value, ensure_ascii=False, indent=1).encode(),
        json.dumps(value, ensure_ascii=False, separators=(", ", ":")).encode(),
        canonical.encode(value) + b"\n",
    } - {canonical.encode(value)}
    for spelling in spellings:
        with pytest.raises(MalformedInput, match="not in canonical form"):
            canonical.decode(spelling, ANYTHING)


def test_our_encoder_gives_the_shared_vector_of_the_profile(vectors: Path) -> None:
    """Of the public RFC 8785 vectors ``arrays`` lies in the profile: the encoder gives its bytes."""
    value = json.loads((vectors / "jcs" / "input" / "arrays.json").read_bytes())
    assert canonical.encode(value) == (vectors / "jcs" / "output" / "arrays.json").read_bytes()


# -- values whose type is not known ------------------------------------------------------------------------------------


@given(values)
def test_bytes_of_any_value_are_accepted_in_their_one_spelling(value: Any) -> None:
    """Whatever stands in a body that is not looked at, it has the one spelling that every value has."""
    data = canonical.encode(value)
    canonical.require_canonical(data)
    with pytest.raises(MalformedInput):
        canonical.require_canonical(data + b" ")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b'{"a":{"b":1.5}}', "part.a.b"),
        (b'{"a":1e3}', "part.a"),
        (b'{"a":-0}', "part.a"),
        (b'{"a":[0,%d]}' % 2**53, "part.a[1]"),
        (b'{"a":-%d}' % 2**53, "part.a"),
        ('{"a":{"é":"x"}}'.encode(), "part.a"),
        (b'{"a":1,"a":2}', "part.a"),
        ('{"a":"\u202e"}'.encode(), "part.a"),
        (b'{"a":', "part.a"),
        (b'{"a":"\xff"}', "part.a"),
        (b"[" * 40 + b"]" * 40, "part"),
    ],
)
def test_a_value_of_no_known_type_keeps_to_the_profile(data: bytes, field: str) -> None:
    """Numbers, keys and strings are limited in it as everywhere; the refusal names the field."""
    with refused_at(field):
        canonical.require_canonical(data, where="part")


def test_a_part_that_is_not_read_yet_is_utf_8_all_the_same() -> None:
    """Its bytes were taken as they came; the profile is that of the whole text."""
    with refused_at("part.a"):
        canonical.decode(b'{"a":"\xff"}', msgspec.json.Decoder(dict[str, msgspec.Raw]), where="part")


def test_numbers_and_keys_within_strings_are_no_numbers_and_keys() -> None:
    """What looks like one in a text is none."""
    canonical.require_canonical('{"a":"1.5 \\"é\\":1e9 99999999999999999999","b":["é",9007199254740991]}'.encode())


# -- bad input ---------------------------------------------------------------------------------------------------------

SEQUENCE = '"sequence":1'
DESCRIPTION = "the phone"
QUANTITY = '{"unit":"piece","value":"1"}'
FIELD_REFUSALS = {
    "duplicate key": (replaced('"item_id":', '"item_id":"knife","item_id":'), "payload.body.item_id"),
    "duplicate by escape": (replaced('"item_id":', r'"\u0069tem_id":"phone","item_id":'), "payload.body.item_id"),
    "NaN": (replaced(SEQUENCE, '"sequence":NaN'), "envelope.sequence"),
    "-0": (replaced(SEQUENCE, '"sequence":-0'), "envelope.sequence"),
    "float": (replaced(SEQUENCE, '"sequence":1.5'), "envelope.sequence"),
    "2^53+1": (replaced(SEQUENCE, f'"sequence":{2**53 + 1}'), "envelope.sequence"),
    "signed after the year 2999": (replaced('"signed_at":', '"signed_at":9'), "envelope.signed_at"),
    "5,000 digits": (replaced(SEQUENCE, f'"sequence":{"1" * 5000}'), "envelope.sequence"),
    "true for int": (replaced(SEQUENCE, '"sequence":true'), "envelope.sequence"),
    "unknown key": (replaced('"item_id":', '"colour":"red","item_id":'), "payload.body.colour"),
    "__proto__": (replaced('"item_id":', '"__proto__":{},"item_id":'), "payload.body.__proto__"),
    "missing key": (replaced('"description":"the phone",', ""), "payload.body.description"),
    "missing event type": (replaced('"event_type":"item.registered",', ""), "envelope.event_type"),
    "unknown event type": (replaced('"item.registered"', '"item.found"'), "envelope.event_type"),
    "a field of the envelope": (replaced('"occurred_at"', '"event_id":"","occurred_at"'), "payload.event_id"),
    "nested too deeply": (replaced('"the phone"', "[" * 100_000 + "]" * 100_000), "payload.body.description"),
    "invalid UTF-8": (replaced(DESCRIPTION, b"the \xff"), "payload.body.description"),
    "lone surrogate": (replaced(DESCRIPTION, r"the \ud800"), "payload.body.description"),
    "NUL": (replaced(DESCRIPTION, r"the \u0000"), "payload.body.description"),
    "NFD twin": (replaced(DESCRIPTION, "cafe\u0301"), "payload.body.description"),
    "bidi override": (replaced(DESCRIPTION, "the \u202ephone"), "payload.body.description"),
    "zero-width joiner in an id": (replaced('"item_id":"phone', '"item_id":"ph\u200done'), "payload.body.item_id"),
    "newline after an id": (replaced('"item_id":"phone"', r'"item_id":"phone\n"'), "payload.body.item_id"),
    "line break in a number": (replaced('"S-1"', r'"S-1\r\nlevel=error"'), "payload.body.seal_number"),
    "comment": (replaced(SEQUENCE, f"{SEQUENCE}/* one */"), "envelope.sequence"),
    "null for an absent field": (replaced('"condition":"screen broken"', '"condition":null'), "payload.body.condition"),
    "default spelled out": (replaced('"item_id":', '"fungible":false,"item_id":'), "payload.body.fungible"),
    "needless escape": (replaced(DESCRIPTION, r"the \u0070hone"), "payload.body.description"),
    "white space": (replaced('"item_id":', '"item_id": '), "payload.body.item_id"),
    "unsorted keys": (replaced(QUANTITY, '{"value":"1","unit":"piece"}'), "payload.body.quantity.value"),
    "no such day": (replaced("2026-03-02T", "2026-02-30T"), "payload.occurred_at"),
    "bad label": (replaced('"sections":{}', '"sections":{"A b":{}}'), "sections.A b"),
    "cut off": (submission()[:500], "envelope.signature"),
}  # fmt: skip
WHOLE_REFUSALS = {
    "trailing bytes": submission() + b"x",
    "trailing newline": submission() + b"\n",
    "BOM": b"\xef\xbb\xbf" + submission(),
    "UTF-16": submission().decode().encode("utf-16"),
    "top-level array": b"[" + submission() + b"]",
    "array nested 100,000 deep": b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize(("data", "field"), FIELD_REFUSALS.values(), ids=FIELD_REFUSALS)
def test_bad_input_is_refused_by_its_field(data: bytes, field: str) -> None:
    """Each bad input is MalformedInput, names the full path of the field and says something short of it."""
    error = refusal(data)
    assert error.field == field
    assert 0 < len(error.message) <= canonical.MAX_MESSAGE


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a":1, "bcdefghijklmnopqrst":2}', """at byte 7: expected '"bcdefghijklmnop', found ' "bcdefghijklmno'"""),
        (b'{"a":1}\n', "at byte 7: expected the end, found '\\n'"),
        (b'{"a":"\\u0061"}', "at byte 6: expected 'a\"}', found '\\\\u0061\"}'"),
    ],
)
def test_a_second_spelling_is_shown_beside_the_first(data: bytes, message: str) -> None:
    """The refusal tells the byte, what was expected there and what was found, sixteen bytes of each."""
    with pytest.raises(MalformedInput) as caught:
        canonical.decode(data, ANYTHING)
    assert caught.value.message == f"not in canonical form (RFC 8785) {message}"


def test_a_repeated_key_is_called_that() -> None:
    """A key that stands twice is told as such, not as a byte that is not canonical."""
    with pytest.raises(MalformedInput, match="the key stands twice in one object"):
        canonical.decode(b'{"a":1,"a":2}', ANYTHING)


class Round(msgspec.Struct, tag_field="kind", tag="round"):
    pass


class Square(msgspec.Struct, tag_field="kind", tag="square"):
    pass


def test_a_long_refusal_is_cut() -> None:
    """What the input holds comes back in a message of at most 400 characters."""
    with pytest.raises(MalformedInput) as caught:
        canonical.parse(b'{"kind":"%s"}' % (b"x" * 5000), msgspec.json.Decoder(Round | Square), where="shape")
    assert (caught.value.field, len(caught.value.message)) == ("shape.kind", 400)


@pytest.mark.parametrize("data", WHOLE_REFUSALS.values(), ids=WHOLE_REFUSALS)
def test_a_body_that_is_no_submission_is_refused(data: bytes) -> None:
    """What is wrong as a whole is MalformedInput that names no field."""
    assert refusal(data).field is None


@pytest.mark.parametrize("twin", ["\u212b", "\ufb1f", "e\u0301", "\u1100\u1161"])
def test_writers_keep_to_nfc_and_readers_do_not_ask(twin: str) -> None:
    """Singletons, composition exclusions, combining marks and conjoining jamo: no two verifiers may differ on them."""
    data = canonical.encode({"a": {"b": ["x", twin]}})
    assert canonical.decode(data, ANYTHING) == {"a": {"b": ["x", twin]}}
    with refused_at("a.b[1]", match="normal form C"):
        canonical.require_nfc(data)


def test_a_mark_after_an_escape_composes_with_nothing() -> None:
    """A combining mark after a newline stands in NFC, though its canonical text shows it behind an n."""
    canonical.require_nfc(canonical.encode({"a": "\n\u0303"}))


@pytest.mark.parametrize("control", BIDI)
def test_every_bidirectional_control_is_refused(control: str) -> None:
    """None of the twelve characters of Unicode's Bidi_Control stands in a string."""
    with pytest.raises(MalformedInput, match=f"U\\+{ord(control):04X}"):
        canonical.decode(canonical.encode({"a": control}), ANYTHING)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    r"""The six characters \u0000 as text are no NUL; a NUL after a backslash is one."""
    assert canonical.decode(canonical.encode("\\u0000"), ANYTHING) == "\\u0000"
    with pytest.raises(MalformedInput, match="NUL"):
        canonical.decode(canonical.encode("\\\0"), ANYTHING)


def test_a_pattern_without_a_meaning_is_said_as_it_is() -> None:
    """Where no words stand for a pattern the refusal shows the pattern."""
    decoder = msgspec.json.Decoder(dict[str, Annotated[str, msgspec.Meta(pattern="^q$")]])
    with pytest.raises(MalformedInput, match=r"Expected text like \^q\$"):
        canonical.parse(b'{"a":"b"}', decoder, where="answer")


def test_where_stands_before_the_path() -> None:
    """The path of a refusal begins with the name of the part that is decoded."""
    with pytest.raises(MalformedInput) as caught:
        canonical.decode(b'{"a": 1}', ANYTHING, where="envelope")
    assert caught.value.field == "envelope.a"
    with refused_at("envelope"):
        canonical.decode(b" 1", ANYTHING, where="envelope")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b'{"a":{"b":1,"b":2}}', "a.b"),
        (b'{"a":[{"b":1},{"b":1,"b":2}]}', "a[1].b"),
        (b'{"a":1,"\\u0061":2}', "a"),
        (b'{"a":', "a"),
        (b'{"a":' + b"[" * 100_000, "a"),
    ],
)
def test_distinct_keys_are_asked_for_in_any_spelling(data: bytes, field: str) -> None:
    """A repeated key is found at any depth; what is no JSON is refused where it breaks."""
    with refused_at(field):
        canonical.require_distinct_keys(data)


def test_distinct_keys_may_repeat_in_other_objects() -> None:
    """The same key in two objects is no repetition."""
    canonical.require_distinct_keys(b'{"a": {"b": 1}, "b": [{"b": 2}, {"b": 3}]}')


# -- where a byte stands -----------------------------------------------------------------------------------------------


@given(values, st.data())
def test_every_scalar_is_found_by_its_path(value: Any, data: st.DataObject) -> None:
    """The path of each field's own bytes leads to the field, whatever is around it."""
    marked = {"first": value, "list": [value, {"mark": 7_777_777}], "z": value}
    text = canonical.encode(marked)
    assume(text.count(b"7777777") == 1)
    start = text.index(b"7777777")
    assert canonical.path_at(text, data.draw(st.integers(start, start + 6))) == ".list[1].mark"


@given(st.text(alphabet='{}[],:"\\a 1', max_size=40).map(str.encode), st.integers(0, 40))
def test_paths_of_broken_texts_are_found_without_failing(data: bytes, position: int) -> None:
    """Whatever the text, naming a place in it gives a path, never an error."""
    assert canonical.path_at(data, position).isprintable()
    assert all(path.isprintable() for path in canonical.repeated_keys(data))


def test_a_text_of_escaped_quotation_marks_is_read_once() -> None:
    """An unterminated string costs one pass, not one for each of its quotation marks."""
    data = b'{"a":"' + b'\\"' * 30_000
    assert canonical.path_at(data, len(data)) == ".a"


def test_no_path_is_made_of_what_lies_far_behind() -> None:
    """Who sends a megabyte with a fault at its end is refused by what is wrong, without a walk through all of it."""
    many = b"{" + b",".join(b'"%07d":1' % number for number in range(90_000))
    for data, words in (
        (many + b" }", f"not in canonical form (RFC 8785) at byte {len(many)}"),
        (many + b',"0000000":1}', "the key stands twice"),
        (many + b',"z":\xff}', "not JSON in UTF-8"),
        (many + b',"z":' + b"[" * 40, "nested deeper than 32 levels"),
        (many + b',"z":"\\u0000"}', "a string holds the character NUL"),
    ):
        with pytest.raises(MalformedInput) as refused:
            canonical.decode(data, ANYTHING)
        assert (refused.value.field, str(refused.value).startswith(words)) == (None, True), str(refused.value)[:200]


def test_a_path_shows_printable_ascii_and_is_cut() -> None:
    """Keys of the input stand in a message escaped and cut, and deep paths end."""
    key = "\r\n移\ud800" + "k" * 200
    assert canonical.shown(key) == "\\u000d\\u000a\\u79fb\\ud800" + "k" * 76
    assert canonical.path_at(b"[" * 100, 100).count("[0]") == 12
    # A key that is no JSON is shown as it stands.
    assert canonical.path_at(rb'{"a\qb":1', 8) == r".a\qb"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"[" * 32 + b"]" * 32, None),
        (b"[" * 33 + b"]" * 33, ""),
        (b"[[" + b"{}," * 1000 + b"0]]", None),
        (b'["' + b"[" * 1000 + b'"]', None),
        (b'{"a":{"b":' + b"[" * 33, ".a.b"),
        (b"]" * 1000 + b"[" * 33, None),
        (b'{"a":"' + b"]" * 1000 + b'","b":' + b"[" * 32, ".b"),
        (b'{"]]":[' * 33, ".]]"),
        (b'{"a":"' + b"[" * 1000 + b'","b":' + b"[" * 32, ".b"),
        (b'{"a":"\\"' + b"[" * 1000 + b'"}', None),
        (b'{"a":"\\"]]]","b":' + b"[" * 32, ".b"),
        (b'{"a":[' + b'"[",' * 10_000 + b'"b"],"b":' + b"[" * 32, ".b"),
        (b'{"a":[' + b'"[",' * 300_000 + b'"b"],"b":' + b"[" * 32, ""),
        (b'{"a":[' + b'"[",' * 300_000 + b'"b"]}', None),
    ],
)
def test_a_deep_field_is_told_before_decoding(data: bytes, field: str | None) -> None:
    """A text of more than 32 levels is told by its field, brackets within strings and wide texts are not."""
    assert canonical.deep_field(data) == field


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"text":"withheld', b'"Text":"withheld', "sections.person:2.fields.Text"),
        (b'"text":"withheld', b'"text":"","note":"', "sections.person:2.fields.text"),
        (b'"person:2":{', b'"Person 2":{', "sections.Person 2"),
        # Of a key that stands twice the last one is read, which is as it should be.
        (b'"sections":{', b'"sections":{"narrative":7,', "sections[...]"),
    ],
)
def test_a_fault_in_a_section_is_named_there(old: bytes, new: bytes, field: str) -> None:
    """A fault inside a section is refused there, by its label and the name of its field."""
    case = Case().open(sections={"narrative": section("narrative", note="a"), "person:2": section("person:2")})
    before, _, after = case.last.submission.rpartition(old)
    assert refusal(before + new + after).field == field


def test_what_was_read_already_is_refused_as_bytes_are() -> None:
    """A value of no type that fits is told by the same words and the same field as the bytes that spell it."""
    spelled = b'{"row":{"count":"x"}}'
    with pytest.raises(MalformedInput) as of_bytes:
        canonical.decode(spelled, msgspec.json.Decoder(Table), where="model")
    with pytest.raises(msgspec.ValidationError) as refusal:
        msgspec.convert(json.loads(spelled), Table)
    of_value = canonical.refusal_of(str(refusal.value), json.loads(spelled), Table, "model")
    assert (of_value.message, of_value.field) == (of_bytes.value.message, of_bytes.value.field)
    assert of_value.field == "model.row.count"
