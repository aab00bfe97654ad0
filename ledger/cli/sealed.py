"""A sealed folder as the item that it is registered for."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ledger.cli.files import progress_of
from ledger.cli.session import Session
from ledger.core.errors import IntegrityBroken, MalformedInput


class SealedItem(NamedTuple):
    """The id that the bag names, and the bag's digests as text."""

    item_id: str
    digests: tuple[str, ...]


def sealed_item(session: Session, bag: Path, case_id: str, item_id: str | None) -> SealedItem:
    """Check a sealed folder, every file of which is read, and return what its registration says of it.

    Raises IntegrityBroken for a bag that is not intact, MalformedInput for one of another item, case or ledger.
    """
    from ledger.evidence.checking import check_bag

    with progress_of(bag.name, session.output) as progress:
        checked = check_bag(bag, None, progress=progress)
    if checked.verdict != "intact":
        step = next(step for step in checked.steps if step.verdict == checked.verdict)
        raise IntegrityBroken(
            f"the bag is {checked.verdict}: {step.detail}", field="--bag", hint="tally evidence check"
        )
    bound = checked.binding
    if bound is None:
        raise MalformedInput("the bag names no item", field="--bag", hint="Seal the folder: tally evidence seal")
    log_id = f"0x{session.log_id.hex()}"
    for actual, expected in (
        (bound.case_id, case_id),
        (bound.item_id, item_id or bound.item_id),
        (bound.log_id, log_id),
    ):
        if actual != expected:
            raise MalformedInput(f"the bag was sealed for {actual}, not for {expected}", field="--bag")
    return SealedItem(bound.item_id, checked.digests)
