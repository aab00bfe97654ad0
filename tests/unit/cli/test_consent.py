"""What a command signs is shown first, and signed if the officer agrees."""

from __future__ import annotations

import time

import pytest

from ledger.cli.errors import Exit
from ledger.cli.output import when
from ledger.cli.session import Session
from ledger.core.encoding.instants import instant_text
from ledger.core.procedure.zones import UNIVERSAL
from tests.unit.cli.world import UNTIL, World, holder, offer, open_case


def test_an_acceptance_is_shown_in_words_and_signed_after_a_yes(world: World) -> None:
    """With every value and what it moves; a no signs nothing, and neither does a program that cannot be asked."""
    case_id = open_case(world, items=1)
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1")
    received_at = when(instant_text(int(time.time())))
    words = ("handover", "accept", case_id, handover_id, "--received-at", received_at, "--all-as-listed")
    at_terminal = ("--profile", "prosecutor", *words, "--number", "No. 7")
    refused = world.tally.at_terminal(*at_terminal, answers=["n"])
    assert (refused.status, "nothing was signed" in refused.err) == (Exit.REFUSED, True)
    for text in (
        "procuratorate-east",
        f": {case_id}",
        "j-0021",
        "No. 7",
        received_at[:16],
        "Custody of what is accepted",
    ):
        assert text in refused.err, text
    for way in ((), ("--json",)):
        done = world.tally(*way, *words, profile="prosecutor", agrees=False)
        assert (done.status, "--yes" in done.err) == (Exit.USAGE, True)
    assert holder(world, f"{case_id}-i1") == "police-east"
    assert world.tally.at_terminal(*at_terminal, answers=["y"]).status == Exit.OK
    assert holder(world, f"{case_id}-i1") == "procuratorate-east"


def test_what_is_signed_is_named_by_the_verified_record(world: World) -> None:
    """The sender and the thing of an offer, with the trust file; without one the question says that it is not known."""
    case_id = open_case(world, items=1)
    handover_id, item = offer(world, case_id, "--item", f"{case_id}-i1"), f"{case_id}-i1"
    received_at = when(instant_text(int(time.time())))
    accepting = ("handover", "accept", case_id, handover_id, "--received-at", received_at, "--all-as-listed")
    refused = world.tally.at_terminal("--profile", "prosecutor", *accepting, answers=["n"])
    assert f"{handover_id} (not known here)" in refused.err
    assert "could not be verified here" in refused.err
    world.tally.add_profile("verifying", world.url, "procuratorate-east", "j-0021", "prosecutor")
    world.tally.ok("log", "trust", "--pin", profile="verifying")
    asked = world.tally.at_terminal("--profile", "verifying", *accepting, answers=["n"]).err
    assert ("fetched and verified here" in asked, "not known here" in asked) == (True, False)
    (sentence,) = [line for line in asked.splitlines() if "accepts handover" in line]
    description = world.ok("item", "show", item)["description"]
    for named in ("police-east", "handover offered", f"{description} ({item})", handover_id):
        assert named in sentence


@pytest.mark.parametrize(
    "words",
    [
        ("key", "grant", "0x" + "ab" * 20, "--officer", "p-0999", "--role", "clerk", "--until", UNTIL),
        ("key", "revoke", "0x" + "ab" * 20),
        ("agency", "propose-admin", "0x" + "ab" * 20),
        ("agency", "accept-admin", "procuratorate-east"),
    ],
    ids=" ".join,
)
def test_what_an_admin_changes_on_the_chain_is_asked_too(world: World, words: tuple[str, ...]) -> None:
    """No transaction is signed without a yes."""
    if words[:2] == ("key", "grant"):
        words = (*words[:2], world.tally.new_key("granted-never"), *words[3:])
    done = world.tally(*words, profile="admin-police-east", agrees=False)
    assert (done.status, "nothing was signed" in done.err) == (Exit.USAGE, True)


def test_what_works_offline_shows_the_zone_that_the_ledger_had(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile whose ledger never answered has UTC."""
    monkeypatch.setenv("TALLYSTICK_CONFIG_DIR", str(world.tally.config))
    monkeypatch.delenv("TALLYSTICK_TIME_ZONE", raising=False)

    def session() -> Session:
        fresh = Session()
        fresh.profile_name = "auditor"
        return fresh

    (world.tally.config / "profiles" / "auditor" / "zone.json").unlink(missing_ok=True)
    assert session().zone == UNIVERSAL
    assert session().zone_of_typed().name == "Asia/Shanghai"
    offline = session()
    assert (offline.zone.name, "service" in vars(offline)) == ("Asia/Shanghai", False)
