"""The service as every request handler sees it: its parts, and the services built on them."""

from __future__ import annotations

from dataclasses import dataclass

from api.auth.sessions import SignInService
from api.services.auditing import Audits
from api.services.cursors import Cursors
from api.services.parts import Parts
from api.services.submission import SubmissionService
from ledger.core.signing.authority import AuthorityState
from ledger.proofs.bundles import Prover
from ledger.timeline import Histories
from ledger.timeline.diagrams import Pictures


@dataclass(frozen=True, slots=True)
class Service:
    """What every request handler can use: the parts, and the services built on them."""

    parts: Parts
    sign_in: SignInService
    submissions: SubmissionService
    prover: Prover
    histories: Histories
    pictures: Pictures
    audits: Audits
    cursors: Cursors

    def authority(self) -> AuthorityState:
        """Return the registry as the log has it now."""
        return self.parts.authority()

    def limit(self, requested: int) -> int:
        """Return the number of entries of a page: what was asked for, at most the configured maximum."""
        return min(requested, self.parts.settings.max_page_entries)


def position_after(service: Service, scope: str, after: str | None, *, field: str = "after") -> str | None:
    """Return the position behind which the list continues. Raises MalformedInput for a cursor of another list."""
    return None if after is None else service.cursors.open(scope, after, field=field)
