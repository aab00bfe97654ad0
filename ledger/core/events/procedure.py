"""Bodies of events about procedure packages."""

from __future__ import annotations

from ledger.core.events import terms
from ledger.core.events.catalogue import SERVICE, Body, event


@event("procedure.published", streams=("system",), roles=SERVICE)
class ProcedurePublished(Body, frozen=True):
    """``text`` is a package in its canonical form; ``digest`` is that of the text, which the agencies may adopt.

    Publishing alone changes nothing: acts are judged by what the agencies' majority adopts on the chain.
    """

    procedure: terms.ProcedureId
    version: terms.Count
    digest: terms.Blake3
    text: terms.PackageText
