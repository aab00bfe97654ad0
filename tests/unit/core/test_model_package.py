"""A model package proves which versions were published, by whom, in which words; or tells where it fails."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import ModelRetired
from ledger.core.supervision import model_package
from ledger.core.verification.bundle_format import encode_bundle
from tests.testkit.builders import COURT, LOG_ID, PROCURATORATE, Writer, analyst
from tests.testkit.bundles import Log, naming, trust
from tests.testkit.supervision import Model, published

MODEL = "item-not-handed-over"


def log_of(*models: Writer) -> Log:
    """A log in which analysts published what these streams say."""
    log = Log()
    for agency in (PROCURATORATE, COURT):
        log.registry.admit(agency).grant(analyst(agency))
    log.mirror()
    for model in models:
        log.add(*model.events)
    return log


def package(log: Log, *changes: dict[str, Any], **fields: Any) -> bytes:
    """The package of all that the log has of models, each publication with its changes."""
    indices = [i for i, event in enumerate(log.events) if event.envelope.stream.kind == "supervision"]
    note = log.note()
    each = [*changes, *[dict[str, Any]()] * (len(indices) - len(changes))]
    bundles = [
        Raw(encode_bundle(log.bundle(index, note, **{"anchored": False} | change)))
        for index, change in zip(indices, each, strict=True)
    ]
    decoded = model_package.ModelPackage(
        format="tallystick/model-package@v1",
        log_id="0x" + LOG_ID.hex(),
        model_id=MODEL,
        version=len(bundles),
        publications=tuple(bundles),
    )
    return model_package.encode_package(replace(decoded, **fields))


def failed(report: model_package.PackageReport) -> dict[str, str]:
    return {step.name: step.detail for step in report.faults}


def test_all_versions_are_proven_and_told() -> None:
    """Who published which texts, each in the log: nothing fails, and the bodies are those that were signed."""
    report = model_package.verify_package(package(log_of(Model().published().published())), trust())
    assert failed(report) == {}
    assert (report.model_id, report.version, report.publisher) == (MODEL, 2, PROCURATORATE)
    assert report.published == (published(1), published(2))
    assert {step.name: step.result for step in report.steps}["versions"] == "checked"
    assert report.verdict == "not_yet_anchored"
    assert report.development


def test_a_package_may_begin_with_a_later_version() -> None:
    """The last ones of a long history."""
    data = model_package.decode_package(package(log_of(Model().published().published().published())))
    last = model_package.encode_package(replace(data, publications=data.publications[1:]))
    report = model_package.verify_package(last, trust())
    assert failed(report) == {}
    assert [body.version for body in report.published] == [2, 3]


def test_a_package_of_anchored_publications_is_intact() -> None:
    """The verdict is the worst of the publications'."""
    log = log_of(Model().published().published())
    using = naming(log.bundle(len(log.events) - 1))
    assert model_package.verify_package(package(log, {"anchored": True}, {"anchored": True}), using).verdict == "intact"
    assert model_package.verify_package(package(log, {"anchored": True}), using).verdict == "not_yet_anchored"


def test_what_a_package_does_not_show() -> None:
    """The custody rules say nothing of models, and a later version or a retirement may have come."""
    report = model_package.verify_package(package(log_of(Model().published())), trust())
    assert (report.conformity.result, report.completeness.result) == ("not_checked", "not_checked")
    assert report.completeness.detail == "no later version or retirement is excluded"


def test_only_publications_are_taken() -> None:
    """Another event of the model's stream is refused by its place."""
    retired = Model().published().act(ModelRetired(ground="amended"), analyst(PROCURATORATE))
    assert "publications[1]" in failed(model_package.verify_package(package(log_of(retired)), trust()))["form"]


def test_versions_are_of_one_agency() -> None:
    """Two agencies' publications are no history of one model."""
    first = Model().published()
    other = Writer("supervision", first.stream.id)
    other.write(published(2), analyst(COURT))
    report = model_package.verify_package(package(log_of(first, other)), trust())
    assert "unlike those before" in failed(report)["versions"]


def test_versions_stand_in_the_log_in_their_order() -> None:
    """A version that was in the log before the one that it follows was not published after it."""
    model = Model().published().published()
    log = log_of()
    log.add(*reversed(model.events))
    data = model_package.decode_package(package(log))
    turned = model_package.encode_package(replace(data, publications=tuple(reversed(data.publications))))
    assert "does not come after" in failed(model_package.verify_package(turned, trust()))["versions"]


def test_a_publication_without_an_index_has_no_order() -> None:
    """Where its proof shows none, the versions are not checked."""
    log = log_of(Model().published())
    report = model_package.verify_package(package(log, {"proof": log.proof(0, log.note())}), trust())
    assert {step.name: step.result for step in report.steps}["versions"] == "not_checked"
    assert report.verdict == "tampered"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format":"tallystick/model-package@v2"}', b"\xff"])
def test_other_bytes_are_no_package(data: bytes) -> None:
    """The refusal tells where to get one."""
    with pytest.raises(MalformedInput) as caught:
        model_package.decode_package(data)
    assert "tally library export" in (caught.value.hint or "")


def test_a_key_that_stands_twice_and_a_huge_file_are_refused() -> None:
    """Readers would differ on what such a text says; and nobody reads on forever."""
    data = package(log_of(Model().published()))
    twice = data.replace(b'"model_id":', b'"model_id":"other","model_id":', 1)
    with pytest.raises(MalformedInput, match="twice"):
        model_package.decode_package(twice)
    with pytest.raises(MalformedInput, match="at most"):
        model_package.decode_package(b" " * (model_package.MAX_PACKAGE_LENGTH + 1))


def test_a_package_may_be_indented() -> None:
    """Signed parts count by their canonical bytes, however the file spells them."""
    data = msgspec.json.format(package(log_of(Model().published())), indent=2)
    assert failed(model_package.verify_package(data, trust())) == {}
    assert canonical.encode(model_package.decode_package(data)).startswith(b"{")
