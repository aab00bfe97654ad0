"""The samples' town in this process: a development ledger whose parts run here, in which the stories are played."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.services.parts import Parts
from api.wiring import open_parts
from ledger.config.installation import DataDirectory
from ledger.config.settings import read_settings
from ledger.samples.load import InsideLedger
from ledger.supervision.runs.datasets import DatasetFiles
from tests.testkit.tally import Tally


class SampleTown:
    """A development ledger whose parts run in this process."""

    def __init__(self, where: DataDirectory, parts: Parts):
        self.where = where
        self.parts = parts
        self.ledger = InsideLedger(
            database=parts.database,
            validator=parts.validator,
            sequencer=parts.sequencer,
            authority=parts.authority,
            registry=lambda: parts.chain_worker.link.registry,
            files=DatasetFiles(parts.database),
            runs=lambda: parts.supervisor.state,
            clock=parts.clock,
        )

    def written(self) -> list[str]:
        """Return the ids of the events that people wrote, in the order of the log."""
        return [entry.event_id for entry in self.ledger.entries() if entry.stream.kind != "system"]


@contextmanager
def founded(folder: Path, **settings: object) -> Iterator[SampleTown]:
    """Yield a town whose data directory is ``ledger`` in the folder; its chain was looked at."""
    tally, data = Tally(folder), folder / "ledger"
    tally.ok("init", "--development", "--light", "--keep-passphrase", "--data-dir", data)
    quick = {"supervision_interval_s": 2, "anchor_interval_s": 1}
    with open_parts(read_settings(data, **quick, **settings)) as parts:
        assert parts.chain_worker.has_looked.wait(60)
        yield SampleTown(DataDirectory(data), parts)
