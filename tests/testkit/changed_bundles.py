"""A log whose bundles are verified, and what a verification says of a bundle that was changed.

A bundle is changed as a tree of plain values.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.core.encoding import canonical
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Bundle, encode_bundle
from ledger.core.verification.report import ProofReport
from ledger.core.verification.verify import verify_event
from tests.testkit.builders import POLICE, PROCURATORATE, section
from tests.testkit.bundles import log_with, naming
from tests.testkit.casework import Case, registration

Tree = dict[str, Any]
CASE = (
    Case()
    .open()
    .act(registration("phone"), sections={"narrative": section(), "description": section("description")})
    .offer("phone", to=PROCURATORATE)
    .accept()
)
LOG = log_with(CASE, POLICE, PROCURATORATE)
FOUNDING = 6  # entries before the case's first
REGISTERED = FOUNDING + 1
NOTE = LOG.note()
GOOD = LOG.bundle(REGISTERED, NOTE)
TRUST = naming(GOOD)


def verdict_of(bundle: Bundle | Tree, using: Trust | None = None) -> ProofReport:
    """Under a trust file that names the block of a bundle's anchor; that of the good one for a bundle as a tree."""
    data = canonical.encode(bundle) if isinstance(bundle, dict) else encode_bundle(bundle)
    return verify_event(data, using or (TRUST if isinstance(bundle, dict) else naming(bundle))).report


def results(report: ProofReport) -> dict[str, str]:
    return {step.name: step.result for step in report.steps}


def faults(report: ProofReport) -> list[str]:
    return [step.name for step in report.faults]


def put(*path: str | int, to: Any) -> Callable[[Tree], None]:
    """Return a change of the part at this path, to a value or by a function of what stood there."""

    def change(bundle: Tree) -> None:
        at: Any = bundle
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = to(at[path[-1]]) if callable(to) else to

    return change


def written(tree: Any) -> bytes:
    """Write as canonical JSON, if it can be; half of a surrogate pair as the three bytes that UTF-8 does not have."""
    spelled = json.dumps(tree, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return spelled.encode("utf-8", "surrogatepass")
