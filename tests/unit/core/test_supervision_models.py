"""Folding a model: its versions, who adopted which, and what is refused to whom."""

from __future__ import annotations

import pytest

from ledger.core.events import Body
from tests.testkit.builders import COURT, PROCURATORATE, UPPER, Officer, analyst, path_of, refused, supervisor
from tests.testkit.supervision import ASSIGNER, Model, adopted, assigned, dataset, figures, published, retired


def test_a_model_goes_through_its_versions() -> None:
    """Each version is the next; what agencies adopted stays what it was; a new version brings a retired model back."""
    model = Model().published().act(adopted(), analyst(UPPER)).published()
    assert [version.body.version for version in model.state.versions] == [1, 2]
    assert model.state.newest.officer == analyst(PROCURATORATE).officer_id
    assert model.state.adoptions[UPPER].version == 1
    assert model.state.adoptions[UPPER].parameters == {"grace_days": "5"}
    model.act(retired(), supervisor(PROCURATORATE))
    assert model.state.retired == "the statute was amended"
    assert model.published().state.retired is None


def test_an_agency_adopts_another_version_in_place_of_the_first() -> None:
    """One agency runs one version of a model, under its newest parameters."""
    model = Model().published().published().act(adopted(), analyst(UPPER))
    model.act(adopted(2, parameters={}, note="wider"), analyst(UPPER))
    ((agency, adoption),) = model.state.adoptions.items()
    assert (agency, adoption.version, adoption.parameters, adoption.note) == (UPPER, 2, {}, "wider")


@pytest.mark.parametrize(
    ("rule", "field", "body", "by"),
    [
        ("version_not_next", "body.version", published(3), analyst(PROCURATORATE)),
        ("version_not_next", "body.version", published(1), analyst(PROCURATORATE)),
        (
            "digest_differs",
            "body.model_digest",
            published(2, model_digest=published(1).model_digest),
            analyst(PROCURATORATE),
        ),
        ("figures_impossible", "body.figures.found", published(2, figures=figures(found=13)), analyst(PROCURATORATE)),
        ("not_the_publisher", "agency", published(2), analyst(UPPER)),
        ("wrong_stream", "body.model_id", published(2, "another"), analyst(PROCURATORATE)),
        ("not_the_publisher", "agency", retired(), supervisor(UPPER)),
        ("unknown_version", "body.version", adopted(2), analyst(UPPER)),
        ("not_a_supervising_agency", "agency", adopted(), analyst(COURT)),
        ("digest_differs", "body.model_digest", adopted(1, model_digest=published(2).model_digest), analyst(UPPER)),
        ("wrong_stream", "event_type", dataset(), analyst(PROCURATORATE)),
        ("wrong_stream", "event_type", assigned(), ASSIGNER),
    ],
)
def test_what_a_model_does_not_allow_is_refused(rule: str, field: str, body: Body, by: Officer) -> None:
    """The refusal names the rule and the field, and leaves the model as it was."""
    model = Model().published()
    before = model.state
    with refused(rule, field=path_of(field)):
        model.act(body, by)
    assert model.state == before


@pytest.mark.parametrize(("body", "by"), [(retired(), supervisor(PROCURATORATE)), (adopted(), analyst(UPPER))])
def test_a_retired_model_is_not_run(body: Body, by: Officer) -> None:
    """Nobody adopts it, and it is not retired twice."""
    model = Model().published().act(retired(), supervisor(PROCURATORATE))
    with refused("model_retired", field="envelope.stream.id"):
        model.act(body, by)


@pytest.mark.parametrize(
    ("rule", "field", "body"),
    [
        ("not_published", "event_type", retired()),
        ("not_published", "event_type", dataset()),
        ("wrong_stream", "stream.id", published(1, "another")),
        ("version_not_next", "body.version", published(2)),
        ("digest_differs", "body.model_digest", published(1, model_digest=published(2).model_digest)),
    ],
)
def test_a_model_begins_with_its_first_version(rule: str, field: str, body: Body) -> None:
    """Nothing else may take the stream of a model."""
    with refused(rule, field=path_of(field)):
        Model().act(body, analyst(PROCURATORATE))


def test_a_model_is_a_procuratorate_s() -> None:
    """Its leads are raised for whoever publishes it: no other kind of agency does."""
    with refused("not_a_supervising_agency", field="envelope.agency"):
        Model().published(analyst(COURT))
