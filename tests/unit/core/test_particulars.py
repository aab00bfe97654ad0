"""Particulars: what decisions and items state in the fields that the procedure gives their kinds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.events import case, letter
from ledger.core.procedure.rulebook import Rulebook
from tests.testkit.builders import PROCURATORATE, refused, section
from tests.testkit.casework import AT, Case, person_id
from tests.unit.core.test_package import WORDS, flag, procedure_of

TYPES = ("text", "number", "date", "person", "item", "yes_no", "choice")
LABEL = 'label = { en = "e", zh = "字" }'


def book(uses: str = "", flags: str = "") -> Rulebook:
    """Return the shipped procedure with a field of each type, which decisions and exhibits of kind ``probe`` have."""
    choices = 'choices = { red = { en = "red", zh = "红" } }'
    label = 'label = {{ en = "{0}", zh = "{0}" }}'
    fields = [
        f'f_{name} = {{ {label.format(name)}, type = "{name}", {choices if name == "choice" else ""} }}'
        for name in TYPES
    ]
    fields = [field.replace(",  }", " }") for field in fields]
    fields.append(f"informant = {{ {label.format('informant')}, confidential = true }}")
    probe = f"probe = {{ {LABEL}, fields = {{ {uses or ', '.join(f'f_{name} = {{}}' for name in TYPES)} }} }}"
    words = WORDS.replace("\n[fields]\n", "\n[fields]\n" + "\n".join(fields) + "\n")
    words = words.replace("\n[decisions]\n", f"\n[decisions]\n{probe}\n").replace(
        "\n[items]\n", f"\n[items]\n{probe}\n"
    )
    words = words.replace("\n[letters]\n", f"\n[letters]\n{probe}\n")
    return procedure_of(flags or "flags = []\n", words)


def opened(**fields: Any) -> Case:
    return Case(book=book(**fields)).open().name("li").register("phone")


def decide(written: Case, **particulars: str) -> Case:
    return written.say(
        case.DecisionRecorded, decision_id="d", kind="probe", number="1", decided_at=AT, particulars=particulars
    )


FITTING = {
    "f_text": "anything",
    "f_number": "12.5",
    "f_date": "2026-02-28",
    "f_person": person_id("li"),
    "f_item": "phone",
    "f_yes_no": "no",
    "f_choice": "red",
}


def send(written: Case, **particulars: str) -> Case:
    to = {"letter_id": "l", "kind": "probe", "to_agency": PROCURATORATE}
    return written.say(letter.LetterSent, **to, particulars=particulars)


def test_a_letter_that_is_sent_states_the_fields_of_its_kind() -> None:
    """What is no value of them is refused, and what lacks is flagged with its article."""
    uses = 'f_text = { missing = "flagged", article = "law 7" }, f_number = {}'
    in_force = flag("2000-01-01").replace("odd_time", "particulars_missing")
    written = opened(uses=uses, flags=in_force)
    with refused("particular_unfit", field="payload.body.particulars.f_number"):
        send(written, f_number="many")
    with refused("unknown_particular", field="payload.body.particulars.f_date"):
        send(written, f_date="2026-02-28")
    assert [each.detail for each in send(written, f_number="1").flags] == ["f_text (law 7)"]


SECRET = {"informant": section(value="who told it")}


def test_a_confidential_field_is_stated_in_a_section_alone() -> None:
    """Among the particulars, which everybody sees, it is refused; its section counts as stated."""
    in_force = flag("2000-01-01").replace("odd_time", "particulars_missing")
    uses = 'informant = { missing = "flagged", article = "law 9" }, '
    written = opened(uses=uses + 'f_text = { missing = "refused", unless = ["informant"] }', flags=in_force)
    with refused("confidential_particular", field="payload.body.particulars.informant"):
        decide(written, informant="who told it", f_text="a")
    assert [each.detail for each in decide(written, f_text="a").flags] == ["informant (law 9)"]
    paper: dict[str, Any] = {"decision_id": "e", "kind": "probe", "number": "1", "decided_at": AT}
    assert written.say(case.DecisionRecorded, **paper, sections=SECRET).flags == ()
    assert "who told it" not in str(written.last.payload)


@pytest.mark.parametrize(("name", "row"), [("f_date", 'type = "date"'), ("f" * 33, 'type = "text"')])
def test_a_confidential_field_is_text_and_a_label_of_a_section(name: str, row: str) -> None:
    """Nobody compares what a section says, and labels are shorter than words."""
    words = WORDS.replace("\n[fields]\n", f"\n[fields]\n{name} = {{ {LABEL}, {row}, confidential = true }}\n")
    with pytest.raises(MalformedInput, match="expected type text"):
        procedure_of(words=words)


def test_values_of_the_types_of_their_fields_are_recorded() -> None:
    """Decisions and items state what their fields allow, and the case has it."""
    written = decide(opened(), **FITTING)
    assert written.state.decisions["d"].particulars == FITTING
    assert written.register("coat", kind="probe", particulars=FITTING).state.items["coat"].particulars == FITTING


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("f_number", "12,5", "particular_unfit"),
        ("f_date", "2026-02-29", "particular_unfit"),
        ("f_yes_no", "perhaps", "particular_unfit"),
        ("f_choice", "blue", "particular_unfit"),
        ("f_person", person_id("wang"), "unknown_person"),
        ("f_item", "knife", "unknown_item"),
        ("charge", "theft", "unknown_particular"),
    ],
)
def test_what_is_no_value_of_its_field_is_refused(name: str, value: str, rule: str) -> None:
    """A refusal names the field: of another type, of somebody unknown, or of another kind of decision."""
    with refused(rule, field=f"payload.body.particulars.{name}"):
        decide(opened(), **{name: value})
    with refused(rule, field=f"payload.body.particulars.{name}"):
        opened().register("coat", kind="probe", particulars={name: value})


def test_a_kind_without_fields_has_no_particulars() -> None:
    """Whatever a decision states in particulars that its kind does not have is refused."""
    with refused("unknown_particular", field="payload.body.particulars.f_text"):
        opened().say(
            case.DecisionRecorded, decision_id="d", kind="prosecuted", decided_at=AT, particulars={"f_text": "-"}
        )


def test_what_has_to_be_stated_is_refused_where_it_lacks_unless_another_field_is_stated() -> None:
    """A required field is stated, or one of the fields in its place."""
    uses = 'f_text = { missing = "refused", unless = ["f_number"] }, f_number = {}'
    with refused("particular_missing", field="payload.body.particulars.f_text"):
        decide(opened(uses=uses))
    decide(opened(uses=uses), f_text="-")
    decide(opened(uses=uses), f_number="1")


def test_what_the_law_asks_for_is_flagged_where_it_lacks() -> None:
    """The flag names each field with its article, of decisions and of items."""
    uses = 'f_text = { missing = "flagged", article = "law 7" }, f_number = { missing = "flagged", article = "law 8" }'
    in_force = flag("2000-01-01").replace("odd_time", "particulars_missing")
    written = decide(opened(uses=uses, flags=in_force), f_number="1")
    assert [(each.name, each.detail) for each in written.flags] == [("particulars_missing", "f_text (law 7)")]
    written.register("coat", kind="probe", particulars={})
    assert [each.detail for each in written.flags] == ["f_text (law 7), f_number (law 8)"]
    assert decide(opened(uses=uses, flags=in_force), f_text="-", f_number="1").flags == ()


@pytest.mark.parametrize(
    ("uses", "place", "fault"),
    [
        ("f_gone = {}", "decisions.probe.fields.f_gone", "no particular is called f_gone"),
        ('f_text = { unless = ["f_gone"] }', "decisions.probe.fields.f_text", "no particular is called f_gone"),
        ('f_text = { missing = "flagged" }', "decisions.probe.fields.f_text", "names its article"),
    ],
)
def test_fields_that_a_kind_cannot_have_are_faults(uses: str, place: str, fault: str) -> None:
    """A kind has fields of the procedure, and what is flagged has an article."""
    with faulty(place, fault):
        book(uses=uses)


@contextmanager
def faulty(place: str, fault: str) -> Iterator[None]:
    """Require that a package is refused with this fault, naming the place."""
    with pytest.raises(MalformedInput, match=fault) as caught:
        yield
    assert (caught.value.field or "").endswith(place)


@pytest.mark.parametrize("row", ['type = "choice"', 'type = "text", choices = { a = { en = "a", zh = "甲" } }'])
def test_a_choice_has_choices_and_no_other_field_has_any(row: str) -> None:
    """Without choices nothing could be stated; of another type they would mean nothing."""
    words = WORDS.replace("\n[fields]\n", f"\n[fields]\nodd = {{ {LABEL}, {row} }}\n")
    with faulty("fields.odd.choices", "expected choices"):
        procedure_of(words=words)


def test_choices_have_a_label_in_each_language() -> None:
    """A choice that a reader's language lacks would be shown as its code."""
    row = f'odd = {{ {LABEL}, type = "choice", choices = {{ a = {{ en = "a" }} }} }}'
    with faulty("fields.odd.choices.a", "a label in each"):
        procedure_of(words=WORDS.replace("\n[fields]\n", f"\n[fields]\n{row}\n"))
