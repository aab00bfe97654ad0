"""What operators are given to watch a service goes by what a service says, and promtool finds no fault in it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from ledger.core.encoding import canonical
from ledger.store.witness import WitnessStore
from ledger.witness.alarms import status_of
from tests.testkit import bundles
from tests.testkit.builders import POLICE, founder
from tests.testkit.machine import REPOSITORY, free_port, promtool
from tests.testkit.service import RunningService

PAGE = (REPOSITORY / "docs" / "operations" / "metrics.md").read_text(encoding="utf-8")
RULES = REPOSITORY / "docs" / "examples" / "prometheus" / "tallystick.rules.yml"
TESTS = RULES.with_name("tallystick.tests.yml")
DASHBOARD = REPOSITORY / "docs" / "examples" / "grafana" / "tallystick.json"
OF_HISTOGRAM = ("_bucket", "_count", "_sum")
NAME = re.compile(r"\b(?:tallystick|process)_\w+|\bup\b")


@pytest.fixture(scope="module")
def scrape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a service says that was founded, asked something, and anchored its first entries."""
    port = free_port()
    with closing(RunningService(tmp_path_factory.mktemp("metrics"), metrics_port=port)) as service:
        file = service.folder / "founding.json"
        file.write_bytes(canonical.encode({"agencies": [founder(POLICE)], "development": True}))
        options = ("--data-dir", service.data, "--passphrase-file", service.tally.passphrase_file)
        service.tally.ok("init", "--light", "--founding", file, *options)
        service.start()
        service.anchored()
        service.http.get("/api/v1/cases/case-1")
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.sendall(b"no request\r\n\r\n")
            client.recv(1)
        yield httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=30).text


def families(text: str) -> dict[str, Metric]:
    """The families of a scrape, by the names of their samples as rules write them."""
    return {
        name: family
        for family in text_string_to_metric_families(text)
        for name in {family.name + ("_total" if family.type == "counter" else "")}
    }


@pytest.fixture(scope="module")
def witness_scrape(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a witness says that has followed nothing yet."""
    from prometheus_client import CollectorRegistry, generate_latest

    from api.middleware.measuring import RequestMeasures
    from api.witness.metrics import WitnessMetrics

    store = WitnessStore.open(tmp_path_factory.mktemp("witness") / "witness.db", bundles.trust())
    registry = CollectorRegistry()
    with closing(store):
        registry.register(WitnessMetrics(lambda: status_of(store, now=1000, silence_s=60), RequestMeasures()))
        return generate_latest(registry).decode()


def rules() -> list[dict[str, Any]]:
    """The alert rules of all groups."""
    return [rule for group in YAML(typ="safe").load(RULES)["groups"] for rule in group["rules"]]


def expressions(dashboard: Any) -> list[str]:
    """The queries of a dashboard, with its variables filled in."""
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [text.replace("$__rate_interval", "1m").replace("$job", "a").replace("$instance", "b") for text in texts]


def test_promtool_finds_no_fault_in_what_a_service_says(scrape: str, witness_scrape: str) -> None:
    """Neither in the form nor in the names, and nor in those of a witness."""
    assert promtool("check", "metrics", stdin=scrape) == ""
    assert promtool("check", "metrics", stdin=witness_scrape) == ""


def test_what_never_became_a_request_is_counted(scrape: str) -> None:
    """The server refuses it before the application; a request that was refused is counted besides."""
    codes = {sample.labels["code"]: sample.value for sample in families(scrape)["tallystick_refusals_total"].samples}
    assert codes["not_http"] == codes["token_refused"] == 1


def test_the_page_has_each_metric_and_no_other(scrape: str, witness_scrape: str) -> None:
    """A row for each name that a scrape has."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`((?:tallystick|process)_\w+)`", row)}
    assert listed == {*families(scrape), *families(witness_scrape)}


def test_rules_and_dashboard_ask_for_what_there_is(scrape: str, witness_scrape: str) -> None:
    """Each metric that they name is in a scrape."""
    exposed = families(scrape) | families(witness_scrape)
    of_histograms = {
        name + end for name, family in exposed.items() if family.type == "histogram" for end in OF_HISTOGRAM
    }
    queries = [rule["expr"] for rule in rules()] + expressions(json.loads(DASHBOARD.read_text(encoding="utf-8")))
    named = {name for query in queries for name in NAME.findall(query)}
    assert named - of_histograms - {*exposed, "up"} == set()


def test_the_rules_are_sound_and_raised_by_what_they_name() -> None:
    """promtool reads them and runs their tests, in which each alert is raised once."""
    assert "42 rules found" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", TESTS)
    raised = re.findall(r"^ +- labels: 'ALERTS\{alertname=\"(\w+)\"", TESTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(raised) == sorted(rule["alert"] for rule in rules())


def test_each_alert_says_what_to_do() -> None:
    """In a row of the page, and with the alert, in the same words; the alert leads to the row."""
    table = re.findall(r"^\| <a id=\"(\w+)\"></a>`(Tallystick\w+)` \| .* \| (.*) \|$", PAGE, re.MULTILINE)
    rows = {name: step for _, name, step in table}
    places = {name: place for place, name, _ in table}
    notes = {rule["alert"]: rule["annotations"] for rule in rules()}
    steps = {name: words(note["description"]) for name, note in notes.items()}
    assert steps == {name: words(step) for name, step in rows.items()}
    for name, note in notes.items():
        assert note["summary"].startswith("Tallystick")
        assert note["runbook"] == f"docs/operations/metrics.md#{places[name]}"


def words(text: str) -> list[str]:
    """The words of a sentence, without its marks and links."""
    return re.findall(r"\w+", re.sub(r"\]\([^)]*\)", "", text).casefold())


def test_the_dashboard_can_be_imported(tmp_path: Path) -> None:
    """Each panel has a number and a place of its own, and asks what Prometheus can read."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert sorted(numbers) == sorted(set(numbers))
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]}
    assert len(places) == len(numbers)
    records = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions(dashboard))]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": records}]}), encoding="utf-8")
    assert f"{len(records)} rules found" in promtool("check", "rules", file)
