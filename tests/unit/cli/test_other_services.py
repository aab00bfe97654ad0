"""Services with a timestamp authority, and with contracts that an earlier release deployed, by the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.errors import Exit
from ledger.core.encoding import canonical
from tests.testkit.machine import free_port
from tests.testkit.timestamping import Authority, new_authority, serving_authority
from tests.unit.cli.world import World, service_of

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """Serve an authority over HTTP."""
    with serving_authority(new_authority(tmp_path_factory.mktemp("authority") / "tsa")) as authority:
        yield authority


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[World]:
    """Run a service that asks it each second, with two agencies and their people."""
    world = World(tmp_path_factory.mktemp("stamped"))
    world.found()
    configure(world, authority)
    with service_of(world):
        world.wait("/api/v1/chain", bool)
        world.add_people()
        yield world


def configure(world: World, authority: Authority, **changes: object) -> None:
    """Write the settings of the installation."""
    settings = {"URL": authority.url, "ROOTS": authority.root_file, "INTERVAL_S": 1} | changes
    lines = [f"TALLYSTICK_TIMESTAMP_{name}={value}\n" for name, value in settings.items() if value is not None]
    (world.data / "settings.env").write_text("".join(lines))


def time_step(world: World, bundle: Path, trust: Path) -> tuple[Any, Any]:
    """Give the report of a bundle, and its 13th step."""
    report = world.tally("--json", "proof", "check", bundle, "--trust", trust).json()
    return report, next(step for step in report["steps"] if step["name"] == "time")


def test_a_bundle_proves_its_time_by_a_third_party(stamped: World, tmp_path: Path) -> None:
    """Against the service's trust file, which names the authority's root; without the root the time is not checked."""
    options = ("--number", "A-1", "--type", "theft")
    case_id = stamped.ok("case", "open", *options)["case_id"]
    stamped.anchored()
    size = stamped.wait("/api/v1/log", bool)["published"]
    stamped.wait("/api/v1/log", lambda log: log["timestamped"]["size"] >= size)
    event_id = stamped.ok("event", "list", case_id)[-1]["event_id"]
    bundle, trust = tmp_path / "bundle.json", tmp_path / "trust.json"
    stamped.ok("proof", "get", event_id, "-o", bundle)
    stamped.ok("log", "trust", "-o", trust)
    report, step = time_step(stamped, bundle, trust)
    assert (report["verdict"], step["result"]) == ("not_yet_anchored", "checked")  # the trust file names no block
    assert step["detail"].endswith("by the timestamp of CN=Test Timestamping")
    assert report["proven_time"] is not None
    rootless = {name: value for name, value in json.loads(trust.read_bytes()).items() if name != "timestamp_roots"}
    trust.write_bytes(canonical.encode(rootless))
    report, step = time_step(stamped, bundle, trust)
    assert (report["verdict"], report["proven_time"]) == ("not_yet_anchored", None)
    assert step["result"] == "not_checked"
    assert "the trust file names no authority's root" in step["detail"]


def test_doctor_tells_how_it_stands(stamped: World, authority: Authority) -> None:
    """Well while the authority answers; what is wrong while it does not, and then again that it is well."""

    def finding() -> Any:
        done = stamped.run("--json", "doctor", "--data-dir", stamped.data)
        return next(load for load in json.loads(done.out) if load["check"] == "timestamps")

    stamped.wait("/api/v1/log", lambda log: log["timestamped"]["time"] > 0)
    assert finding()["result"] == "checked"
    authority.status = 503
    case = ("case", "open", "--number", "A-2", "--type", "theft")
    stamped.ok(*case)
    stamped.wait("/api/v1/log", lambda log: log["timestamped"]["fault"] is not None)
    assert (finding()["result"], "answered 503" in finding()["detail"]) == ("failed", True)
    authority.status = 200
    stamped.wait("/api/v1/log", lambda log: log["timestamped"]["fault"] is None)
    assert finding()["result"] == "checked"


def test_doctor_tells_how_far_the_agency_has_looked(stamped: World) -> None:
    """Nobody yet, then up to the published size; a log that a real service runs gives no alarm."""

    def finding() -> Any:
        done = stamped.run("--json", "doctor", "--data-dir", stamped.data, profile="prosecutor")
        return next(load for load in json.loads(done.out) if load["check"] == "monitor")

    assert (finding()["result"], finding()["mend"]) == ("not_checked", "tally log trust --pin")
    stamped.ok("log", "trust", "--pin", profile="prosecutor")
    assert (finding()["result"], finding()["mend"]) == ("not_checked", "tally monitor")
    look = stamped.ok("monitor", profile="prosecutor")
    changes = {"agency_admitted", "key_granted", "procedure_adopted", "submitter_set"}
    assert {use["event_type"] for use in look["uses"]} == {f"registry.{change}" for change in changes}
    assert (look["agency"], look["alarms"]) == ("procuratorate-east", 0)
    assert finding()["result"] == "checked"
    assert finding()["detail"].startswith(f"{look['size']} of ")


def test_an_authority_without_a_root_is_refused(tmp_path: Path, authority: Authority) -> None:
    """A timestamp that nobody could verify is not asked for: the service does not start, and says what it lacks."""
    world = World(tmp_path)
    world.found()
    configure(world, authority, ROOTS=None)
    options = ("--port", str(free_port()), "--passphrase-file", world.tally.passphrase_file)
    world.tally.refuses(Exit.USAGE, "timestamp_roots", "serve", "--data-dir", world.data, *options)


OLDER = (sys.executable, "-m", "tests.unit.cli.older_release")
FAULT = "contracts of another version: LogAnchor at 0x"


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Founded and anchored by the older release, then served by this one."""
    world = World(tmp_path_factory.mktemp("upgraded"))
    world.found()
    with service_of(world, *OLDER):
        world.wait("/api/v1/chain", bool)
        world.add_people()
        world.anchored()
    with service_of(world):
        world.wait("/readyz", lambda readiness: readiness["chain"] == "faulty")
        yield world


def test_service_and_command_line_say_so(upgraded: World) -> None:
    """It is ready, for submissions go on; beside that stand the fault and what mends it, in ``anchor status`` and
    ``doctor`` too."""
    readiness = upgraded.wait("/readyz", bool)
    assert readiness["ready"] is True
    assert readiness["fault"].startswith(FAULT)
    assert "successor contract" in readiness["hint"]
    chain = upgraded.wait("/api/v1/log", bool)["chain"]
    assert (chain["state"], chain["fault"], chain["hint"]) == ("faulty", readiness["fault"], readiness["hint"])
    status = upgraded.run("anchor", "status")
    assert (status.status, FAULT in status.out, "successor contract" in status.out) == (Exit.OK, True, True)
    done = upgraded.run("--json", "doctor", "--data-dir", upgraded.data)
    wrong = [finding for finding in done.json() if finding["result"] == "failed"]
    assert (done.status, wrong[-1]["check"]) == (Exit.REFUSED, "anchoring")
    assert FAULT in wrong[-1]["detail"]
    assert "successor contract" in wrong[-1]["mend"]


def test_all_but_anchors_goes_on(upgraded: World) -> None:
    """A key that is granted now comes into the log and signs; nothing of that is anchored."""
    before = upgraded.wait("/api/v1/log", bool)
    upgraded.grant("newcomer", "police-east", "p-0999", "clerk")
    upgraded.wait("/api/v1/log", lambda log: log["size"] > before["size"])
    options = ("--number", "2026-1", "--type", "theft", "--line", "criminal", "--stage", "investigation")
    upgraded.ok("case", "open", *options, profile="newcomer")
    after = upgraded.wait("/api/v1/log", bool)
    assert after["size"] > before["size"] + 1
    assert after["anchored"] == before["anchored"]
