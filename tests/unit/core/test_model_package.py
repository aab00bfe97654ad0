"""A model package proves which versions were published, by whom, in which words; or tells where it fails."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.events import Stream
from ledger.core.events.supervision import ModelRetired
from ledger.core.supervision import model_package
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Bundle, encode_bundle
from tests.testkit.builders import COURT, PROCURATORATE, Writer, analyst
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


def package(log: Log, model_id: str = MODEL, **changes: Any) -> Bundle:
    """The package of all that the log has of models."""
    indices = [i for i, event in enumerate(log.events) if event.envelope.stream.kind == "supervision"]
    stream = Stream(kind="supervision", id=f"model-{model_id}")
    return log.file(indices, **({"anchored": False, "stream": stream} | changes))


def report_of(file: Bundle, using: Trust | None = None) -> model_package.PackageReport:
    return model_package.verify_package(encode_bundle(file), using or trust())


def failed(report: model_package.PackageReport) -> dict[str, str]:
    return {step.name: step.detail for step in report.faults}


def test_all_versions_are_proven_and_told() -> None:
    """Who published which texts, each in the log: nothing fails, and the bodies are those that were signed."""
    report = report_of(package(log_of(Model().published().published())))
    assert failed(report) == {}
    assert (report.model_id, report.version, report.publisher) == (MODEL, 2, PROCURATORATE)
    assert report.published == (published(1), published(2))
    assert (report.conformity.result, report.completeness.result) == ("shown", "not_checked")
    assert report.verdict == "not_yet_anchored"
    assert report.development


def test_a_package_of_anchored_publications_is_intact() -> None:
    """All stand under one tree head and one anchor."""
    whole = package(log_of(Model().published().published()), anchored=True)
    assert report_of(whole, naming(whole)).verdict == "intact"
    assert report_of(replace(whole, anchor=None), naming(whole)).verdict == "not_yet_anchored"


def test_other_events_of_the_stream_are_taken() -> None:
    """A retirement stands behind the versions, and hides none of them."""
    retired = Model().published().act(ModelRetired(ground="amended"), analyst(PROCURATORATE))
    report = report_of(package(log_of(retired)))
    assert (failed(report), report.version) == ({}, 1)


def test_the_publisher_is_who_published() -> None:
    """Not whoever wrote the first event of the stream."""
    writer = Writer("supervision", f"model-{MODEL}")
    writer.write(ModelRetired(ground="amended"), analyst(COURT))
    writer.write(published(1), analyst(PROCURATORATE))
    report = report_of(package(log_of(writer)))
    assert (report.publisher, report.conformity.result) == (PROCURATORATE, "shown")
    assert PROCURATORATE in report.conformity.detail


def test_a_stream_without_a_version_proves_none() -> None:
    """A retirement alone is no model that anybody could take over."""
    retired = Model().published().act(ModelRetired(ground="amended"), analyst(PROCURATORATE))
    whole = package(log_of(retired))
    rest = [entry for entry in whole.entries if entry.envelope.event_type != "model.published"]
    report = report_of(replace(whole, entries=tuple(rest)))
    assert (failed(report).keys(), report.publisher) == ({"order", "versions"}, "")


def test_versions_are_of_one_agency() -> None:
    """Two agencies' publications are no history of one model."""
    model = Model().published()
    writer = Writer("supervision", model.stream.id)
    writer.events.extend(model.events)
    writer.write(published(2), analyst(COURT))
    report = report_of(package(log_of(writer)))
    assert (report.conformity.result, "several agencies" in report.conformity.detail) == ("contradicted", True)
    assert report.verdict == "not_yet_anchored"


def test_what_was_signed_so_is_contradicted() -> None:
    """A version left out is missed; a text of another digest was signed so, which is no tampering."""
    writer = Writer("supervision", f"model-{MODEL}")
    writer.write(published(2), analyst(PROCURATORATE))
    assert report_of(package(log_of(writer))).conformity.result == "contradicted"
    writer = Writer("supervision", f"model-{MODEL}")
    writer.write(replace(published(1), definition="id: another\n"), analyst(PROCURATORATE))
    report = report_of(package(log_of(writer)))
    assert (report.conformity.result, report.verdict) == ("contradicted", "not_yet_anchored")


def test_a_withheld_publication_leaves_the_versions_unchecked() -> None:
    """What is not shown is not judged."""
    report = report_of(package(log_of(Model().published()), payload=None))
    assert (report.conformity.result, report.verdict, report.published) == ("not_checked", "unverifiable", ())
    assert report.version == 0


def test_another_stream_is_no_package() -> None:
    """The refusal names the field; nor is a package without a publication one that could be read."""
    log = log_of(Model().published())
    for stream in (Stream(kind="supervision", id="lead-1"), Stream(kind="case", id="case-1")):
        file = package(log, stream=stream)
        renamed = tuple(replace(entry, envelope=replace(entry.envelope, stream=stream)) for entry in file.entries)
        with pytest.raises(MalformedInput):
            model_package.decode_package(encode_bundle(replace(file, entries=renamed)))
    assert model_package.last_version(model_package.decode_package(encode_bundle(package(log)))) == published(1)
    with pytest.raises(MalformedInput, match="no publication"):
        model_package.last_version(model_package.decode_package(encode_bundle(package(log, payload=None))))
