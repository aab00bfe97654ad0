"""A run of a model over an export of the views: all that the process which does it can reach."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from ledger.supervision.finding import Finding, find
from ledger.supervision.model.values import Model
from ledger.supervision.session import Limits
from ledger.supervision.snapshot.views import Export, exported_session


class RunAsked(Struct, frozen=True):
    """A model, what it is run with, over what, and within which limits."""

    export: Export
    model: Model
    parameters: Mapping[str, Any]
    as_of: datetime
    limits: Limits


def found_in_export(asked: RunAsked) -> list[Finding]:
    """What the model finds. Raises what ``find`` raises."""
    with exported_session(asked.export, asked.limits) as session:
        return find(asked.model, asked.parameters, session, asked.as_of)
