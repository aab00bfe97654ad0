"""Models as readers look for them: what a file says in parts, what fits a query, what differs between two."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.events.supervision import BilingualText
from ledger.core.supervision.model_package import verify_package
from ledger.core.verification.bundle import encode_bundle
from ledger.i18n import translate
from ledger.supervision.library.cards import Card, Fit, card_of, compare, fit, texts_of
from ledger.supervision.library.publishing import check_model
from ledger.supervision.models.model_file import parse_model, shipped_model, shipped_models
from tests.testkit.builders import PROCURATORATE, analyst
from tests.testkit.bundles import naming, trust
from tests.testkit.supervision import Model, published
from tests.unit.core.test_model_package import log_of, package
from tests.unit.supervision.modelling import SOUND, changed


def card(text: str) -> Card:
    parsed = card_of(text)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_has_a_card(name: str) -> None:
    """All parts are told in both languages, and the condition as it is written."""
    model_card = card(shipped_model(name))
    assert model_card.condition.startswith("condition:")
    assert model_card.form
    texts = [*texts_of(model_card)]
    assert texts
    assert all(text.strip() for text in texts)
    assert sum(example.raises > 0 for example in model_card.examples)


def test_the_condition_is_told_without_what_follows_it() -> None:
    """Comments of the next part are its own."""
    text = changed(("lead:\n", "\n# what it says\nlead:\n"))
    assert card(text).condition == card(SOUND).condition
    last = SOUND.replace(condition := SOUND[SOUND.index("condition:") : SOUND.index("lead:")], "") + condition
    assert card(last).condition == condition.rstrip()


@pytest.mark.parametrize("text", ["a: [", "model: x\nversion: 1\n", "- 1"])
def test_what_is_no_model_has_no_card(text: str) -> None:
    """Another program may have published it."""
    assert card_of(text) is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("PHONE", Fit(1.0, ("en",))),
        ("phone 手机", Fit(2.0, ("en", "zh"))),
        ("扣押手机", Fit(0.6, ("zh",))),
        ("ｐｈｏｎｅ", Fit(1.0, ("en",))),
        ("phone car", None),
        ("手表", None),
        ("冻结账户", None),
    ],
)
def test_words_fit_where_they_stand(query: str, expected: Fit | None) -> None:
    """All words must; a Chinese one of three characters and more may fit by half of its pairs."""
    result = fit(query, {"zh": "扣押的手机未移送", "en": "A seized phone was not handed over"})
    assert (result and (round(result.score, 2), result.places)) == (expected and (expected.score, expected.places))


def checked(text: str = SOUND, **fields: Any) -> dict[str, tuple[str, str]]:
    """Return the steps of a package of this text, by name."""
    model = parse_model(text) if "title" not in fields else None
    fields_of_model = {name: getattr(model, name) for name in ("title", "business_line", "severity")} if model else {}
    body = published(definition=text, model_id="unanswered", **(fields_of_model | fields))
    log = log_of(Model("unanswered").act(body, analyst(PROCURATORATE)))
    whole = package(log, "unanswered", anchored=True)
    report = verify_package(encode_bundle(whole), naming(whole))
    assert report.verdict == "intact", report.faults
    usable = check_model(report)
    assert usable.usable == all(step.result == "checked" for step in usable.steps)
    assert [step.number for step in usable.steps] == [10, 11, 12, 13]
    assert {step.verdict for step in usable.steps} == {"intact"}
    assert not [step.name for step in usable.steps if translate(step.detail, "zh-CN").isascii()]
    return {step.name: (step.result, step.detail) for step in usable.steps}


def test_a_sound_model_can_be_taken_over() -> None:
    """It runs, its examples come out, what was signed beside it agrees, its case study tells of nobody."""
    steps = checked()
    assert {result for result, _ in steps.values()} == {"checked"}
    assert steps["examples"][1] == "1 raise what they must, 1 raise nothing"
    study = BilingualText(zh="某县的移送两周无人签收。", en="A handover waited at a county.")
    assert checked(case_study=study)["anonymity"][0] == "checked"


def test_a_fault_of_the_text_is_no_tampering() -> None:
    """Each is told at its step, while the proof holds."""
    wrong = changed(("as_of: 2026-03-08T12:00:00Z", "as_of: 2026-03-09T12:00:00Z"))
    assert "seventh day" in checked(wrong)["examples"][1]
    title = BilingualText(zh="移送长期无人签收", en="Offer unanswered")
    assert checked("model: x", title=title)["model"][0] == "failed"
    assert "title" in checked(title=BilingualText(zh="别的", en="Another"))["agreement"][1]
    tells = BilingualText(zh="某县。", en="Called upon Mr Smith.")
    assert checked(case_study=tells)["anonymity"] == (
        "failed",
        "case_study.en: character 13, '…ed upon [Mr Smith].': name",
    )


@pytest.mark.parametrize("changes", [{"payload": None}, {"nodes": {}}])
def test_nothing_is_checked_of_what_is_not_proven(changes: dict[str, Any]) -> None:
    """A text that nobody signed, or nobody who is known to be allowed to, is not run."""
    log = log_of(Model("unanswered").act(published(definition=SOUND, model_id="unanswered"), analyst(PROCURATORATE)))
    report = verify_package(encode_bundle(package(log, "unanswered", **changes)), trust())
    usable = check_model(report)
    assert report.verdict == "unverifiable"
    assert (usable.usable, {step.result for step in usable.steps}) == (False, {"not_checked"})


def differing(first: str, second: str) -> dict[str, tuple[str, str | None, str | None]]:
    """Return what differs between two texts by its path: how, and both values."""
    differences = compare(published(definition=first), published(definition=second)).differences
    return {each.field: (each.kind, each.first, each.second) for each in differences}


def test_what_differs_is_told_path_by_path() -> None:
    """Changed, added and removed; the lines of the condition; nothing where the texts agree."""
    later = changed(
        ("version: 1", "version: 2"),
        ("maximum: 60", "maximum: 90"),
        ("> parameters.days", ">= parameters.days"),
        ("examples:\n", "examples:\n  - {name: nothing, as_of: 2026-03-08T12:00:00Z, rows: {}, raises: []}\n"),
    )
    differences = differing(SOUND, later)
    assert differences["parameters.days.maximum"] == ("changed", "60", "90")
    assert differences["examples[nothing].raises"] == ("added", None, "[]")
    assert not [field for field in differences if field.startswith(("examples[eighth", "examples[seventh"))]
    condition = compare(published(definition=SOUND), published(definition=later, version=2)).condition
    assert "".join(line[0] for line in condition if not line.startswith(("---", "+++"))) == "@  -+"
    assert differing(later, SOUND)["examples[nothing].name"][0] == "removed"
    same = compare(published(definition=SOUND), published(definition=SOUND))
    assert (same.same_text, same.differences, same.condition) == (True, (), ())


def test_parts_without_a_name_of_their_own_are_told_by_number() -> None:
    """Two examples of one name, and lists of plain values."""
    twice = changed(("name: eighth day", "name: seventh day"))
    fields = differing(twice, changed(("key: [case_id, ", "key: [")))
    assert {"examples[0].name", "lead.key[0]", "lead.key[1]"} <= fields.keys()


def test_a_text_without_a_condition_is_compared_by_what_it_has() -> None:
    """An older program's model is shown as far as it goes."""
    older = "model: x\nrest: {}\nnone:\n"
    differences = differing(older, SOUND)
    assert (differences["rest"][:2], differences["none"][:2]) == (("removed", "{}"), ("removed", "null"))
    condition = compare(published(definition=older), published(definition=SOUND)).condition
    starts = {line[:1] for line in condition if not line.startswith(("---", "+++", "@@"))}
    assert starts == {"+"}
