"""The ground of an attack: a client with a profile, and the service that it believes to be its log."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.core.events import case
from ledger.core.trust.trust_file import Trust, encode_trust
from tests.campaigns.malicious_log.service import Hostile, filler
from tests.testkit.builders import COURT, POLICE, Writer, clerk
from tests.testkit.bundles import Log, log_with, trust
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import written
from tests.testkit.tally import Tally

PROFILE = "victim"
Words = list[str | Path]


class Ground:
    """A client with a profile, and the service that it believes to be its log; anew for each attack."""

    def __init__(self, tally: Tally, chance: random.Random, url: str):
        self.tally = tally
        self.chance = chance
        self.folder = tally.folder / "work"
        self.profile = tally.config / "profiles" / PROFILE
        for folder in (self.folder, self.profile):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        profile_data = {"name": PROFILE, "url": url}
        (self.profile / "profile.json").write_text(json.dumps(profile_data))
        (self.profile / "profile.json").chmod(0o600)
        self.trusting(trust())
        self.log = filler(log_with(Case().open().register("phone"), POLICE, COURT), chance.randint(3, 24))
        self.size = chance.randint(9, len(self.log.events) - 1)  # what the client has seen
        self.hostile = Hostile(self.log, len(self.log.events))

    def trusting(self, whom: Trust) -> None:
        (self.profile / "trust.json").write_bytes(encode_trust(whom))

    def run(self, words: Words) -> int:
        """Run the command, and return its exit code."""
        return self.tally("--json", *words, profile=PROFILE).status

    # -- what the client knows -----------------------------------------------------------------------------------------

    def has_seen(self, size: int | None = None) -> Path:
        """Let the client remember the log at this size, and not from just now; return the file."""
        file = self.profile / "log" / "seen.checkpoint"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(self.log.note(size or self.size), encoding="utf-8")
        then = time.time() - 60
        os.utime(file, (then, then))
        return file

    def has_copy(self) -> Path:
        """Give the client a copy of the log at the size that it has seen; return the folder."""
        service, self.hostile = self.hostile, Hostile(self.log, self.size)
        assert self.run(["log", "save", self.folder / "copy"]) == 0
        self.hostile = service
        shutil.rmtree(self.profile / "log")
        return self.folder / "copy"

    def submission(self) -> Path:
        """Sign an event that is not sent yet."""
        number = self.chance.randrange(10**6)
        event = Writer("case", f"new-{number}").write(case.CaseNumbered(case_number=f"N-{number}"), clerk(POLICE))
        file = self.folder / "submission.json"
        file.write_bytes(event.submission)
        return file

    # -- what the service does -----------------------------------------------------------------------------------------

    def forks(self, size: int) -> Log:
        """Make another history of this size, signed by the same key, that leaves the true one before what was seen."""
        at = self.chance.randint(8, min(self.size, size) - 1)
        forked = Log(list(self.log.events[:at]), registry=self.log.registry)
        self.hostile.log = filler(forked, size - at, f"fork-{self.chance.randrange(10**6)}")
        self.hostile.size = size
        return forked

    def spoil(self, route: str, change: Callable[[Any], Any]) -> None:
        """Change the route's answer, given as JSON."""
        self.hostile.spoiled[route] = lambda body, _: written(change(json.loads(body)))

    def spoil_bytes(self, route: str, change: Callable[[bytes], bytes]) -> None:
        self.hostile.spoiled[route] = lambda body, _: change(body)
