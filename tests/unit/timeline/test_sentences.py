"""Sentences: every event type is told in both languages, with all that its body says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from string import Formatter

import pytest
from msgspec.structs import replace

from ledger.core.custody import CaseState
from ledger.core.custody.stocktakes import CountDifference
from ledger.core.events import EVENT_TYPES, Payload, handover, item
from ledger.core.events import case as deadline
from ledger.core.events.case import DecisionRecorded
from ledger.core.events.item import Seizure
from ledger.core.events.supervision import BilingualText, PeriodCount
from ledger.core.events.terms import Money
from ledger.core.messages import Message, joined
from ledger.i18n import LANGUAGES, Labels
from ledger.timeline.event_fields import event_fields
from ledger.timeline.sentences import CLAUSES, Narrator
from tests.testkit.builders import POLICE, PROCURATORATE, Writer, clerk, instant, sample_body
from tests.testkit.casework import (
    Case,
    dispose,
    got,
    kept,
    li_detained,
    offered,
    part,
    passed,
    person_id,
    pieces,
    proposed,
)
from tests.unit.core.test_custody_changes import accepted, request
from tests.unit.core.test_custody_spans import walked

NAMES = {POLICE: "Eastern Police", PROCURATORATE: "东区检察院"}


def last_sentence(case: Case, language: str = "en") -> str:
    step = list(walked(case))[-1]
    return Narrator(Labels(language), lambda agency: NAMES.get(agency, agency)).tell(
        step.before, step.event, step.after
    )


def slots_in(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def written(event_type: str, *, full: bool) -> Payload:
    """Return an event of this type by the police."""
    writer = Writer(EVENT_TYPES[event_type].streams[0], "stream-1")
    return writer.draft(sample_body(event_type, full=full), clerk(POLICE)).event


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_type_has_a_sentence_in_both_languages(event_type: str) -> None:
    """It says who acted, leaves no slot open, and shows nothing of how it is made; a reader of one language learns no
    less than one of the other."""
    for language, full in product(LANGUAGES, (False, True)):
        sentence = Narrator(Labels(language)).tell(None, written(event_type, full=full), None)
        assert sentence.endswith("." if language == "en" else "。")
        assert not re.search(r"[{}<>]|None|Struct|'", sentence), sentence
        assert len(sentence.strip(".。")) > 8
        assert POLICE in sentence or EVENT_TYPES[event_type].streams == ("system",)
        assert language == "en" or re.search(r"[一-鿿]", sentence)
    english, chinese = (slots_in(Labels(language).of("sentence", event_type)) for language in LANGUAGES)
    assert english == chinese


def test_what_a_full_body_says_is_told() -> None:
    """Each field of a body is in its sentence or a clause, but for those that are for programs."""
    for_programs = {"section", "medium_item_id", "collection", "dossier", "account", "fungible", "documents"}
    for_programs.add("procedure")
    missing = {}
    for name, kind in EVENT_TYPES.items():
        if kind.streams[0] != "case":
            continue
        labels = Labels("en")
        slots = slots_in(labels.of("sentence", name)) | slots_in(labels.find("sentence_of_count", name) or "")
        covered = slots | set(CLAUSES) | for_programs
        covered |= {"description"} if "item_id" in slots else set()
        covered |= {"items", "item_ids", "person_ids", "cites"} if "things" in slots else set()
        covered |= {"handover_id"} if "from_agency" in slots or "to_agency" in slots else set()
        covered |= {"measure_id", "custody_change_id", "new_measure_id"} if "person_id" in slots else set()
        covered |= {"deadline_id"} if "clock" in slots else set()
        missing[name] = set(kind.body.__struct_fields__) - covered
    assert {name: fields for name, fields in missing.items() if fields} == {
        # The page of the event lists what is stated of the case.
        "case.taken_over": {"business_line", "file_digest", "as_of", "opened_at"}
        | {"numbers", "persons", "handovers", "deadlines"},
        "custody_change.requested": {"handover_id"},
        "disclosure.made": {"events"},
        "discrepancy.raised": {"discrepancy_id", "recorded_as"},  # the sides say it
        "handover.accepted": {"rest_as_listed"},
        "import.recorded": {"file_digest", "row_digest"},
        "hold.placed": {"hold_id", "concerns"},
        "section.erased": {"cites"},
        "record.late": {"concerns"},
    }


def test_an_acceptance_names_things_and_differences() -> None:
    """Who accepts what from whom for what purpose, what was found to differ, what was not accepted and why."""
    case = offered("phone", "knife", occurred_at=instant(1772413200))
    case.accept(
        received_at="2026-03-02T02:30:00Z",
        received=(got("phone", "mismatch", quantity=pieces(2)),),
        not_accepted=(kept("knife", explanation="the seal is torn"),),
    )
    sentence = last_sentence(case)
    assert sentence.startswith(
        "东区检察院 accepts from Eastern Police for prosecution review: the phone (phone), person "
    )
    assert "Delivered at 2026-03-02 10:30." in sentence
    assert "Not accepted: the knife (knife) [seal broken, the seal is torn]." in sentence
    assert "Found: the phone (phone) [mismatch, 2 pieces]." in sentence
    chinese = last_sentence(case, "zh-CN")
    assert chinese.startswith("东区检察院接收Eastern Police移送（移送审查起诉）的the phone（phone）、“")
    assert "不予接收：the knife（knife）［封条破损、the seal is torn］。" in chinese
    assert "清点核对：the phone（phone）［不符、2 件］。" in chinese


def test_authority_ground_and_seizure_are_told() -> None:
    """On what authority a thing was taken, by whom, and when."""
    seizure = Seizure(document_number="S-7", seized_at="2026-03-01T22:00:00Z", officers=("p-1", "p-2"))
    sentence = last_sentence(Case().open().register("phone", seizure=seizure, exhibit_number="E-1"))
    assert sentence.startswith("Eastern Police registers the phone (phone) (exhibit, 1 piece) and holds it.")
    assert "Seized by: S-7, 2026-03-02 06:00, p-1, p-2." in sentence
    assert "Exhibit number E-1." in sentence


def test_what_a_body_only_names_is_looked_up() -> None:
    """The person of a custody change, the measure that is lifted, the items of a disposal."""
    short = person_id("li")[:8]
    assert f"to keep person {short}… for it from now on" in last_sentence(request(accepted()))
    assert "proposes, as the first of two signatures, for the drug (drug): destroyed" in last_sentence(proposed("drug"))


def test_long_lists_are_counted() -> None:
    """Five things by name, the others by number."""
    items = [f"item-{number}" for number in range(8)]
    case = passed(*items)
    assert "the item-4 (item-4) and 5 more" in last_sentence(case)
    chinese = Narrator(Labels("zh-CN")).words(case.last.event, None)
    assert chinese.value("item_ids", tuple(items)) == "item-0、item-1、item-2、item-3、item-4等共8项"


def test_parts_of_a_split_are_told_with_their_quantity() -> None:
    """The sentence names each part with its quantity and unit."""
    case = Case().open().register("coins", quantity=10)
    case.say(item.ItemSplit, item_id="coins", parts=(part("a", 4), part("b", 6)))
    assert "into the coins (a) [4 pieces], the coins (b) [6 pieces]." in last_sentence(case)


def test_sums_are_told_of_parts_and_of_what_was_received() -> None:
    """In the main unit of the currency, on both sides of the difference."""
    case = Case().open().register("notes", quantity=10, money=Money(amount=100_000, currency="CNY"))
    parts = (part("a", 4, amount=40_000), part("b", 6, amount=60_000))
    case.say(item.ItemSplit, item_id="notes", parts=parts)
    assert "into the notes (a) [4 pieces, 400.00 CNY], the notes (b) [6 pieces, 600.00 CNY]." in last_sentence(case)
    case.offer("a", to=PROCURATORATE).accept(
        received=(got("a", "mismatch", money=Money(amount=39_900, currency="CNY")),)
    )
    assert "399.00 CNY" in last_sentence(case)
    differing = case.state.discrepancies["handover-1/a"]
    words = Narrator(Labels("en")).words(case.last.event, case.state)
    assert words.value("expected", differing.expected) == "400.00 CNY"
    assert case.state.items["a"].money == Money(amount=39_900, currency="CNY")


def test_an_early_sale_disposes_of_what_was_sold_and_not_of_what_it_brought() -> None:
    """What the first signature named, how, on which decision; the proceeds are another thing."""
    case = Case().open().register("car", kind="property")
    case.say(DecisionRecorded, decision_id="sale", kind="other", number="7", decided_at=instant(case.now))
    proposal = {"item_ids": ("car",), "disposal": "sold_early", "ground": "loses its value", "decision_id": "sale"}
    case.say(item.ItemDisposalProposed, **proposal)
    dispose(case, proceeds=part("price", 1, amount=5_200_000))
    sentence = last_sentence(case)
    assert "of the car (car): sold early. By decision other 7 (sale). Proceeds: " in sentence
    assert sentence.count("(price)") == 1


PLEA = {"charge": "theft", "main_punishment": "fixed_term", "term_months": "8"}


def test_particulars_are_told_by_the_labels_of_the_procedure() -> None:
    """In the sentence and line by line: the field's label, and the choice, day or person in words."""
    case = Case().open().name("li")
    paper = {"decision_id": "d", "number": "7", "decided_at": instant(case.now), "person_ids": (person_id("li"),)}
    case.say(DecisionRecorded, kind="sentence_recommendation", particulars=PLEA, **paper)
    assert "Stated: charge: theft, main punishment: fixed-term imprisonment, fixed term, in months: 8" in last_sentence(
        case
    )
    assert "主刑: 有期徒刑" in last_sentence(case, "zh-CN")
    plea = {"charge": "theft", "sentence_accepted": "yes", "lawyer_present": person_id("li")}
    case.say(DecisionRecorded, kind="plea_statement", particulars=plea, **(paper | {"decision_id": "e"}))
    labels = Labels("zh-CN")
    words = Narrator(labels).words(case.last.event, case.state)
    lines = event_fields(case.last.event, {}, words, labels)
    fields = {line.label.removeprefix("载明事项 · "): line.value for line in lines}
    assert (fields["罪名"], fields["同意量刑建议"]) == ("theft", "是（yes）")
    assert person_id("li")[:8] in fields["在场的辩护人、值班律师"]


@pytest.mark.parametrize(
    ("recorded", "english", "chinese"),
    [
        ("9 piece", "9 pieces", "9 件"),
        ("seal S-1; 10.5 gram", "seal S-1; 10.5 grams", "封条S-1; 10.5 克"),
        ("seal broken", "seal broken", "封条破损"),
        ("as listed", "as described", "无异常"),
        ("reason seal_broken; differs", "seal broken; differs", "封条破损; 不符"),
        ("sha256:00 differs", "sha256:00 differs", "sha256:00 differs"),
    ],
)
def test_what_differs_is_told_in_the_readers_words(recorded: str, english: str, chinese: str) -> None:
    """The phrases of the rules in the language that was asked for, anything else as it was written."""
    case = passed("phone")
    fields = {"discrepancy_id": "short-1", "handover_id": "handover-1", "item_id": "phone", "kind": "seal"}
    case.say(handover.DiscrepancyRaised, expected=recorded, found="else", **fields)
    assert f"expected {english}, found else." in last_sentence(case)
    assert f"应为{chinese}，实为else。" in last_sentence(case, "zh-CN")


def test_the_sides_of_a_count_are_told_in_the_readers_words() -> None:
    """Each word of the record has its own in both languages, and what was typed of a place is shown as it was typed."""
    sides = {
        ("missing", "placed", "held by me", None): ("held by me → not there", "held by me → 未见"),
        ("missing", "unplaced", None, None): ("no place → not there", "未写存放地点 → 未见"),
        ("location", "checked_out", None, "not there"): ("checked out → not there", "已借出 → not there"),
        ("surplus", "held_elsewhere", "lab-east", "status x"): ("held by Lab → status x", "由Lab保管 → status x"),
        ("surplus", "disposed", None, "Room 3"): ("disposed of → Room 3", "已处置 → Room 3"),
        ("seal", "sealed", "broken", "S-2"): ("seal broken → seal S-2", "封条broken → 封条S-2"),
        ("seal", "unsealed", None, "S-2"): ("no seal → seal S-2", "未贴封条 → 封条S-2"),
    }
    for (kind, recorded_as, expected, actual), told_in in sides.items():
        difference = CountDifference(kind, recorded_as, expected, actual)
        for language, text in zip(("en", "zh-CN"), told_in, strict=True):
            words = Narrator(Labels(language), lambda _: "Lab").words_of("", None)
            assert " → ".join(words.sides(difference).values()) == text


def late(duration: Message) -> Message:
    return Message("signed {duration} after it happened", duration=duration)


def beyond(deadline_id: str) -> Message:
    text = Message("{deadline_id} is set to {until}, the rules give it until {lawful}")
    return Message(text, deadline_id=deadline_id, until="2026-10-08", lawful="2026-09-15")


def differs(item_id: str, actual: str, expected: str) -> Message:
    return Message("item {item_id}: {found}, recorded {expected}", item_id=item_id, found=actual, expected=expected)


def ordered(disposal: str, decided: str) -> Message:
    return Message("item {item_id}: {disposal}, decided {decided}", item_id="a", disposal=disposal, decided=decided)


@pytest.mark.parametrize(
    ("recorded", "english", "chinese"),
    [
        (
            late(Message("{days} days {hours} hours", days=7, hours=12)),
            "signed 7 days 12 hours after it happened",
            "发生后7日12小时才签署",
        ),
        (late(Message("{days} days", days=3)), "signed 3 days after it happened", "发生后3日才签署"),
        (late(Message("{hours} hours", hours=25)), "signed 25 hours after it happened", "发生后25小时才签署"),
        (
            beyond(f"bail_limit/{'5f' * 16}/3"),
            f"end of the bail pending trial (person {'5f' * 16}) is set to 2026-10-08, the rules give it until "
            "2026-09-15",
            f"取保候审期限（“{'5f' * 16}”）定至2026年10月8日，依规定至2026年9月15日为止",
        ),
        (
            beyond("court_acceptance/case/3"),
            "check whether to accept the prosecution (case) is set to 2026-10-08, the rules give it until 2026-09-15",
            "公诉案件立案审查（案件）定至2026年10月8日，依规定至2026年9月15日为止",
        ),
        (
            joined([differs("a", "9 piece", "10 piece"), differs("b", "seal broken", "seal intact")], by=", "),
            "item a: 9 pieces, recorded 10 pieces, item b: seal broken, recorded seal intact",
            "a：9 件，记录为10 件、b：封条破损，记录为封条完好",
        ),
        (
            Message("item {item_id} was due at {due_at}", item_id="a", due_at="2026-11-30T00:00:00Z"),
            "item a was due at 2026-11-30 08:00",
            "a应于2026年11月30日08:00前归还",
        ),
        (ordered("destroyed", "forfeited"), "item a: destroyed, decided forfeited", "a：销毁，决定为没收"),
        ("a word {of} nobody's", "a word {of} nobody's", "a word {of} nobody's"),
    ],
)
def test_details_of_flags_are_told_in_the_readers_words(recorded: str, english: str, chinese: str) -> None:
    """The custody rules' phrases, one or several; anything else stays as it was recorded."""
    details = [
        Narrator(Labels(language)).words_of("case.opened", None).value("detail", recorded)
        for language in ("en", "zh-CN")
    ]
    assert details == [english, chinese]


def test_an_extension_is_told_by_its_name_and_its_law() -> None:
    """For what, under which article, as a reader of Chinese calls both."""
    case = li_detained()
    running = next(name for name in case.state.clocks if name.startswith("arrest_request"))
    extension = {"extension": "special_circumstances", "article": "CPL 91", "ground": "the bank is slow"}
    case.say(deadline.DeadlineExtended, deadline_id=running, **extension)
    assert "by special circumstances, under CPL 91. Ground: the bank is slow." in last_sentence(case)
    assert "依据刑事诉讼法第91条延长“提请批准逮捕”期限" in last_sentence(case, "zh-CN")
    assert "：特殊情况。" in last_sentence(case, "zh-CN")


def test_text_of_a_body_is_no_template() -> None:
    """Braces that somebody wrote stay braces."""
    case = Case().open().say(EVENT_TYPES["case.closed"].body, ground="{agency.__class__}")
    assert last_sentence(case) == "Eastern Police closes the case. Ground: {agency.__class__}."


def test_a_case_state_that_is_missing_leaves_ids_as_they_are() -> None:
    """Without the case around it an event still is told."""
    sentence = Narrator(Labels("en")).tell(None, request(accepted()).last.event, None)
    assert "asks detention-east to keep person" in sentence


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_payload_alone_says_nothing_that_it_does_not_know(event_type: str, language: str) -> None:
    """Whoever is asked to sign reads a sentence whose every slot the payload itself fills."""
    labels = Labels(language)
    asked = slots_in(labels.find("alone", event_type) or labels.of("sentence", event_type))
    available = {"agency", "officer", "things", *EVENT_TYPES[event_type].body.__struct_fields__}
    available |= {"clock", "subject"} if "deadline_id" in available else set()
    available |= {"in_place", "differing"} if "unknown_codes" in available else set()  # as many as it lists
    assert asked <= available
    sentence = Narrator(labels).alone(written(event_type, full=True))
    assert not re.search(r"[{}<>]|None|Struct|'", sentence), sentence


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_particulars_leave_nothing_out(event_type: str, language: str) -> None:
    """Each field that a body fills has a line of its own, under a label in the reader's language."""
    labels = Labels(language)
    payload = written(event_type, full=True)
    body = payload.body
    words = Narrator(labels).words(payload, None)
    lines = event_fields(payload, {}, words, labels)
    for name in body.__struct_fields__:
        if getattr(body, name) not in (None, (), False):
            label = words.label(name)
            assert any(line.label.startswith(label) and line.value for line in lines), name
    if language == "zh-CN":
        assert [line.label for line in lines if line.label.isascii()] == []


def test_no_text_passes_for_several_parts_of_a_sentence() -> None:
    """What has a separator of sentences, or what nobody sees, is quoted whole; quotation marks in it close nothing."""
    case = Case().open().register("one", description="telephone (two), knife").register("two", description="telephone")
    case.register("three", description="‘a” (two), “b", exhibit_number="E-1. Not accepted: two")
    assert "registers “‘a’ (two), ‘b” (three)" in last_sentence(case)
    assert "Exhibit number “E-1. Not accepted: two”." in last_sentence(case)
    assert "登记“‘a’ (two), ‘b”（three）" in last_sentence(case, "zh-CN")
    case.register("four", description="line\nline\u202e\u200b")
    assert r"registers “line\nline\u202e\u200b” (four)" in last_sentence(case)
    words = Narrator(Labels("en")).words(case.last.event, case.state)
    listed = [words.value("item_ids", ids) for ids in (("one",), ("two", "three"))]
    assert listed == ["“telephone (two), knife” (one)", "telephone (two), “‘a’ (two), ‘b” (three)"]


def test_persons_are_shortened_as_far_as_that_tells_them_apart() -> None:
    """Whole without the case, and where two of a case begin alike; a name that two have stands beside the id."""
    alike = ["5f5f5f5f" + digit * 24 for digit in "01"]
    case = Case().open().name("li").name("wang")
    event, state = case.last.event, case.state
    named = {each: replace(person, person_id=each) for each, person in zip(alike, state.persons.values(), strict=True)}
    single = replace(state, persons=state.persons | {alike[0]: named[alike[0]]})

    def called(after: CaseState | None, persons: Mapping[str, str]) -> list[str]:
        words = Narrator(Labels("en"), persons=persons).words(event, after)
        return [words.value("person_id", each) for each in alike]

    whole = [f"person {each}" for each in alike]
    assert called(None, {}) == called(replace(state, persons=state.persons | named), {}) == whole
    assert called(single, {}) == ["person 5f5f5f5f…", whole[1]]
    assert called(state, dict.fromkeys(alike, "Zhang")) == [f"Zhang ({each})" for each in alike]
    assert called(state, {alike[0]: "Zhang", alike[1]: "Li, San"}) == ["Zhang", "“Li, San”"]


def test_what_is_signed_stands_line_by_line() -> None:
    """Each thing has a line, a word of the procedure stands beside its label, a text is shown as it was typed."""
    english, chinese = (Labels(language) for language in LANGUAGES)
    case = proposed("drug", "knife")
    lines = event_fields(case.last.event, {}, Narrator(english).words(case.last.event, None), english)
    assert [line.value for line in lines if line.label.startswith("item")] == ["drug", "knife"]
    lines = event_fields(case.last.event, {}, Narrator(chinese).words(case.last.event, None), chinese)
    assert "销毁（destroyed）" in [line.value for line in lines]
    case.register("car", description="a (b), “c”")
    lines = event_fields(case.last.event, {}, Narrator(english).words(case.last.event, None), english)
    assert ("description", "a (b), “c”") in lines


def test_a_text_that_ends_by_itself_gets_no_second_full_stop() -> None:
    """What a model says of a lead may end with one: the sentence around it has it once."""
    says = BilingualText(zh="已超过3日。", en="It waits for 3 days.")
    for language, once in (("en", "3 days. Found"), ("zh-CN", "超过3日。psb签署")):
        slots = {"says": says, "agency": "psb"}
        assert once in Narrator(Labels(language)).words_of("lead.raised", None).sentence(slots)


def test_values_of_the_registry_and_of_a_recheck_are_told_in_words() -> None:
    """No truth value, bare number of seconds or list of a count's parts stands in a sentence."""
    for language, yes, ever in (("en", "yes", "since ever"), ("zh-CN", "是", "自始")):
        words = Narrator(Labels(language)).words_of("", None)
        assert words.value("allowed", True) == yes
        assert words.value("valid_from", 0) == ever
        assert "2035" in words.value("valid_until", 2051222400)
        days = {words.value(field, "2026-10-27") for field in ("period_from", "period_until", "frozen_until", "until")}
        assert days == {"2026-10-27" if language == "en" else "2026年10月27日"}
        counted = PeriodCount(count=5, period_from="2026-08-29", period_until="2026-10-27", tree_size=302)
        assert re.fullmatch(r"5[ （]\(?2026-08-29 – 2026-10-27[)）]", words.value("before", counted))
