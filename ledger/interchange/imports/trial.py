"""The dry run: what a row would become, by the same steps as in an import, signed with a key that is forgotten."""

from __future__ import annotations

import secrets
from collections import Counter

from msgspec import Struct

from ledger.config.keys import LocalSigner
from ledger.core.errors import TallystickError
from ledger.core.events import NAME_OF
from ledger.core.events.case import CaseOpened
from ledger.core.events.record import ImportRecorded
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.imports.chains import Fault, Pen, fault_of, first_place
from ledger.interchange.imports.comparison import steps
from ledger.interchange.imports.plan import Planner
from ledger.interchange.imports.rows import Row
from ledger.interchange.imports.source_file import Survey
from ledger.recording.signing import Actor

NOBODY = "dry-run"


class Planned(Struct, frozen=True):
    """What a row would become; ``events`` counts by type."""

    row: int
    source_key: str
    case_number: str
    stage: str
    events: dict[str, int]


class Trial:
    """Tries the rows of a surveyed file."""

    def __init__(self, planner: Planner, survey: Survey, book: Rulebook):
        self._planner = planner
        self._survey = survey
        signer = LocalSigner.from_private_key(secrets.token_bytes(32))
        self._pen = Pen(Actor(NOBODY, NOBODY, signer), bytes(32), book)

    def take(self, row: Row) -> Planned | Fault:
        """What the row would become, or why it would be refused as a new case."""
        try:
            plan = self._planner.plan(row, self._survey)
            origin = ImportRecorded(
                source_system=self._planner.mapping.source_system,
                source_key=plan.source_key,
                file_digest=self._survey.digest,
                row=plan.row,
                row_digest=plan.row_digest,
            )
            chain = self._pen.sign(steps(plan, {}, origin), first_place(plan.case_id))
            self._pen.require_possible(chain)
        except TallystickError as error:
            return fault_of(row.number, self._planner.key_or_none(row), error)
        opened = chain.steps[0].body
        assert isinstance(opened, CaseOpened), "a plan begins with the opening"
        events = Counter(NAME_OF[type(step.body)] for step in chain.steps)
        return Planned(row.number, plan.source_key, opened.case_number, opened.stage, dict(events))
