"""The keys of a service are replaced by the command line, and its ledger goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import COURT, POLICE, PROCURATORATE, clerk
from tests.stories.town import AUDITOR, Town

pytestmark = pytest.mark.timeout(600)


class SmallTown(Town):
    """Three agencies of the town; two are a majority."""

    agencies = (POLICE, PROCURATORATE, COURT)
    people = (clerk(POLICE), AUDITOR)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[SmallTown]:
    with SmallTown.founded(tmp_path / "town") as made:
        made.anchored()
        yield made


def rotate(town: SmallTown, name: str) -> Any:
    """``tally key rotate`` at the operator's machine, the service being stopped."""
    words = ("--data-dir", town.data, "--light", "--passphrase-file", town.tally.passphrase_file)
    return town.tally.ok("key", "rotate", name, *words)


def decide(town: SmallTown, folder: Path, *words: str) -> None:
    """Two of three admins decide."""
    proposal, approvals = folder / "proposal.json", []
    done = town.at_the_admins_terminal(POLICE, "registry", "propose", *words, "-o", proposal)
    assert done.status == 0, done.err
    for agency in (POLICE, COURT):
        approval = folder / f"{agency}.json"
        done = town.at_the_admins_terminal(agency, "registry", "approve", proposal, "--yes", "-o", approval)
        assert done.status == 0, done.err
        approvals += ["--approval", str(approval)]
    done = town.at_the_terminal(AUDITOR, "registry", "send", proposal, *approvals)
    assert done.status == 0, done.err


def test_submitter_is_replaced(town: SmallTown, tmp_path: Path) -> None:
    """A service that runs keeps its key. With the new one events are recorded and anchors wait until a majority allows
    the account; then they go on, and the old account is barred."""
    words = ("--data-dir", town.data, "--passphrase-file", town.tally.passphrase_file)
    done = town.tally("key", "rotate", "submitter", *words)
    assert (done.status, "a service runs" in done.err) == (2, True)
    before = town.key("submitter").key_id

    town.stop()
    made = rotate(town, "submitter")
    assert (made["before"], town.key("submitter").key_id) == (before, made["key_id"])
    assert made["key_id"] != before
    town.start()
    receipt = town.case("after-the-change").open().receipt
    town.until("anchors wait", lambda: town.readiness()["waits"] is not None)
    decide(town, tmp_path, "submitter", made["key_id"])
    assert town.anchored() > receipt["index"]
    decide(town, tmp_path, "submitter", before, "--bar")
    assert town.anchored() > receipt["index"] + 1
