"""Conditions: for which acts and subjects a row starts, which base it gives, and which extension it allows."""

from __future__ import annotations

import pytest

from ledger.core.custody import Act
from ledger.core.custody.circumstances import Circumstances, fits
from ledger.core.errors import RuleRefused
from ledger.core.events import case, handover, item
from ledger.core.procedure.facts import Condition
from ledger.core.procedure.package import read_package
from ledger.core.supervision.examples import faults_of_examples
from ledger.procedures import shipped_package
from tests.testkit.builders import PROCURATORATE, clerk, instant, refused_at
from tests.testkit.casework import Case, person_id
from tests.unit.core.test_clock_rules import ROW
from tests.unit.core.test_package import procedure_of

PERSON = ROW.replace('per = "case"', 'per = "person"')
ITEM = ROW.replace('per = "case"', 'per = "item"')
DAYS = 'stops = ["released", "disposed"]\nbases = [{ period = "3 d" }]\n'


def starting(row: str, fact: str, condition: str, days: str = DAYS) -> Case:
    """Return an opened case of a procedure with one clock, which starts with the fact under the condition."""
    text = row.replace("received.prosecution_review", fact) + f"starts_if = {condition}\n" + days
    return Case(book=procedure_of("flags = []\n" + text)).open()


@pytest.mark.parametrize(
    ("condition", "starts"),
    [
        ('{ grounds = ["gang", "roaming"] }', True),
        ('{ grounds = ["roaming"] }', False),
        ('{ about = ["arrest_refused"] }', True),
        ('{ about = ["judgment"] }', False),
        ('{ decided = ["arrest_refused"] }', True),
        ('{ decided = ["judgment"] }', False),
        ('{ role = ["suspect"], stage = ["investigation"], line = ["criminal"], trial = ["ordinary"] }', True),
        ('{ role = ["victim"] }', False),
        ('{ measure = ["detention"], in_custody = true }', True),
        ("{ in_custody = false }", False),
        ("{ kept_for_receiver = true }", True),
        ("{ kept_for_receiver = false }", False),
        ('{ unless = { measure = ["bail"] } }', True),
        ('{ unless = { measure = ["detention"] } }', False),
        ('{ case_type = ["theft"] }', True),
        ('{ case_type = ["fraud"] }', False),
    ],
)
def test_a_clock_starts_only_where_its_condition_holds(condition: str, starts: bool) -> None:
    """Each key is asked of the act, the case or the person; every one has to hold, by one of its words."""
    written = starting(PERSON, "decided.case_filed", condition).name("li").impose("li", "detention")
    written.say(case.DecisionRecorded, decision_id="first", kind="arrest_refused", person_ids=(person_id("li"),))
    about = {"about": "first", "grounds": ("gang",), "person_ids": (person_id("li"),)}
    written.say(case.DecisionRecorded, decision_id="second", kind="case_filed", **about)
    assert ("review" in written.running()) == starts


def test_a_decision_about_another_person_is_none_of_this_one() -> None:
    """What was decided is asked for the person: a decision that names only others does not count."""
    written = starting(PERSON, "decided.case_filed", '{ decided = ["arrest_refused"] }').name("li", "wang")
    written.say(case.DecisionRecorded, decision_id="first", kind="arrest_refused", person_ids=(person_id("wang"),))
    written.say(case.DecisionRecorded, decision_id="second", kind="case_filed")
    assert [clock.subject for clock in written.state.clocks.values()] == [person_id("wang")]


def test_a_decision_is_about_one_of_the_case() -> None:
    """What it is about was decided before; an unknown one is refused, and so is one that a handover is about."""
    written = Case().open()
    with pytest.raises(RuleRefused) as caught:
        written.say(case.DecisionRecorded, decision_id="second", about="first")
    assert (caught.value.code, caught.value.field) == ("unknown_decision", "payload.body.about")
    with pytest.raises(RuleRefused) as caught:
        written.say(handover.HandoverOffered, to_agency=PROCURATORATE, purpose="reconsideration", about="first")
    assert (caught.value.code, caught.value.field) == ("unknown_decision", "payload.body.about")


@pytest.mark.parametrize(
    ("fact", "condition", "starts"),
    [
        ("received.reconsideration", '{ about = ["arrest_refused"] }', True),
        ("received.reconsideration", '{ about = ["judgment"] }', False),
        ("received.reconsideration", '{ handover = ["arrest_approval"] }', True),
        ("received.reconsideration", '{ handover = ["retrial"] }', False),
    ],
)
def test_a_handover_is_asked_what_it_is_about(fact: str, condition: str, starts: bool) -> None:
    """The decision that it asks to be reviewed, and the handover that it follows."""
    written = starting(ROW, fact, condition).name("li")
    written.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    written.say(case.DecisionRecorded, clerk(PROCURATORATE), decision_id="no", kind="arrest_refused")
    asked = next(iter(written.state.handovers))
    written.offer(to=PROCURATORATE, purpose="reconsideration", persons=("li",), about="no", follows=asked).accept()
    assert ("review" in written.running()) == starts


def test_the_kind_of_an_item_is_asked() -> None:
    """A registration of another kind starts nothing; one that was seized starts at the seizure."""
    written = starting(ITEM, "seized", '{ item_kind = ["property"] }')
    seizure = item.Seizure(document_number="1", seized_at=instant(written.now - 60), officers=("p-1", "p-2"))
    written.register("knife", seizure=seizure).register("cash", kind="property", seizure=seizure)
    written.register("car", kind="property")
    assert [(clock.subject, clock.started_at) for clock in written.state.clocks.values()] == [
        ("cash", seizure.seized_at)
    ]


def test_a_lifted_freeze_is_a_fact() -> None:
    """It ends the clock of the freeze, and what is not frozen cannot be unfrozen or renewed."""
    written = starting(ITEM, "frozen", "{}", 'stops = ["unfrozen"]\nbases = [{ period = "6 m" }]\n')
    written.register("cash", kind="property").say(item.ItemFrozen, item_id="cash", frozen_until="2026-06-01")
    assert written.running() == {"review"}
    written.say(item.ItemUnfrozen, item_id="cash", unfrozen_at=instant(written.now))
    assert (written.running(), written.state.items["cash"].frozen_until) == (set(), None)
    with pytest.raises(RuleRefused, match="not frozen"):
        written.say(item.ItemUnfrozen, item_id="cash", unfrozen_at=instant(written.now))


@pytest.mark.parametrize(
    "condition",
    [
        Condition(role=("suspect",)),
        Condition(item_kind=("property",)),
        Condition(kept_for_receiver=True),
        Condition(about=("judgment",)),
        Condition(by=("court",)),
    ],
)
def test_what_has_no_answer_does_not_hold(condition: Condition) -> None:
    """A case has no role and no kind, and is kept for nobody; an act without a fact is about nothing."""
    written = Case().open()
    act = Act(written.last.event, written.book)
    assert not fits(condition, Circumstances(written.state, act, "case"))


ZONE = shipped_package()["cn-common/zone.toml"]
AGENCIES = """
[[examples]]
name = "who decides"
agencies = { station = "public_security", prosecution = "procuratorate", bench = "court" }
"""


def example(condition: str, by: str, *, expected: str) -> list[str]:
    """Return the faults of an example in which ``by`` detains somebody, whose clock is expected to be running."""
    row = PERSON.replace("received.prosecution_review", "measure.detention") + f"starts_if = {condition}\n" + DAYS
    acts = (
        f'\n[[examples.acts]]\nevent = "case.opened"\nby = "{by}"\nat = "2026-03-02 09:00"\n'
        f'\n[[examples.acts]]\nevent = "person.named"\nby = "{by}"\nat = "2026-03-02 09:10"\n'
        'body = { person_id = "@li", role = "suspect" }\n'
        f'\n[[examples.acts]]\nevent = "measure.imposed"\nby = "{by}"\nat = "2026-03-02 10:00"\n'
        'body = { measure_id = "d-1", person_id = "@li", measure = "detention" }\n'
    )
    deadline = f'\n[[examples.deadlines]]\nclock = "{expected}"\nsubject = "@li"\nas_of = "2026-03-03 09:00"\n'
    words = shipped_package()["procedure.toml"]
    rows = f"flags = []\n{row}{AGENCIES}{acts}{deadline}"
    book = read_package({"procedure.toml": words, "rows.toml": rows.encode(), "zone.toml": ZONE})
    return [str(fault) for _, fault in faults_of_examples(book)]


@pytest.mark.parametrize(
    ("condition", "by", "starts"),
    [
        ('{ by = ["public_security"] }', "station", True),
        ('{ by = ["public_security"] }', "prosecution", False),
        ('{ by = ["supervises"] }', "prosecution", True),
        ('{ by = ["supervises", "court"] }', "bench", True),
        ('{ unless = { by = ["supervises"] } }', "station", True),
        ('{ by = ["court"] }', "stranger", False),
    ],
)
def test_who_decides_is_asked_by_kind_or_trait(condition: str, by: str, starts: bool) -> None:
    """An agency that the registry does not know has no kind, and the condition does not hold."""
    faults = example(condition, by, expected="review")
    assert faults == ([] if starts else ["deadline 1: no clock review of @li; it has: -"])


def test_an_example_names_kinds_that_there_are() -> None:
    """An agency of a kind that the package lacks is a fault at its place."""
    rows = f"flags = []\n{AGENCIES.replace('court', 'angels')}\n[[examples.acts]]\nevent = 'x'\nby = 'a'\nat = 'x'\n"
    with refused_at("rows.toml:5: examples[0].agencies.bench", match="no agency_kind is called angels"):
        read_package(
            {"procedure.toml": shipped_package()["procedure.toml"], "rows.toml": rows.encode(), "zone.toml": ZONE}
        )


def test_the_receiver_is_asked_by_its_kind() -> None:
    """Of a handover: to whom it goes."""
    row = ROW.replace("received.prosecution_review", "offered.arrest_approval")
    rows = f'flags = []\n{row}starts_if = {{ to = ["supervises"], by = ["public_security"] }}\n{DAYS}{AGENCIES}'
    acts = (
        '\n[[examples.acts]]\nevent = "case.opened"\nby = "station"\nat = "2026-03-02 09:00"\n'
        '\n[[examples.acts]]\nevent = "person.named"\nby = "station"\nat = "2026-03-02 09:10"\n'
        'body = { person_id = "@li", role = "suspect" }\n'
        '\n[[examples.acts]]\nevent = "handover.offered"\nby = "station"\nat = "2026-03-02 10:00"\n'
        'body = { handover_id = "h-1", to_agency = "TO", purpose = "arrest_approval", person_ids = ["@li"] }\n'
        '\n[[examples.deadlines]]\nclock = "review"\nas_of = "2026-03-03 09:00"\n'
    )
    for receiver, count in (("prosecution", 0), ("bench", 1)):
        text = (rows + acts.replace("TO", receiver)).encode()
        book = read_package(
            {"procedure.toml": shipped_package()["procedure.toml"], "rows.toml": text, "zone.toml": ZONE}
        )
        assert len(list(faults_of_examples(book))) == count


def test_an_extension_holds_only_under_its_condition() -> None:
    """Where it does not, a day has to be stated, and the extension is one without basis; so too by a measure."""
    extension = (
        '\n[[clocks.extensions]]\nname = "more"\narticle = "CPL 1"\nadds = "2 d"\nif = { stage = ["execution"] }\n'
        'label = { en = "more", zh = "更多" }\n'
    )
    written = starting(PERSON, "measure.detention", "{}", DAYS + extension).name("li").impose("li", "detention")
    with pytest.raises(RuleRefused, match="do not say how long"):
        written.extend("review", "more")
    written.say(case.MeasureExtended, measure_id="detention-li", until="2026-03-09", article="CPL 1")
    written.extend("review", "more", until="2026-03-10")
    assert [row.name for row in written.clock("review").extensions] == [None, None]


def test_a_base_holds_for_the_act_that_starts() -> None:
    """The first whose condition holds gives the time; the last has none."""
    days = 'bases = [{ period = "9 d", if = { grounds = ["gang"] } }, { period = "3 d" }]\nstops = ["released"]\n'
    for grounds, period in ((("gang",), "9 d"), ((), "3 d")):
        written = starting(PERSON, "decided.case_filed", "{}", days).name("li")
        written.say(case.DecisionRecorded, kind="case_filed", grounds=grounds)
        assert written.clock("review").period == period
