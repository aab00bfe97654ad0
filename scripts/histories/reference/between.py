"""Rules 14, 15 and 17: what only shows between cases."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from ledger.core.custody import Item
from ledger.core.events import item, record
from scripts.histories.life import Planted, Step
from scripts.histories.outside import payments
from scripts.histories.reference.told import Told, day


class Unusual(NamedTuple):
    """From so many handovers of a quarter on, with so large a share, so many times that of the others."""

    handovers: int = 20
    share: float = 0.1
    times: float = 2.0


USUAL = Unusual()  # as the shipped model has them


def shared(tolds: list[Told]) -> Iterator[Planted]:
    """15: a seal or digest in two cases that are not linked; entered for both."""
    holders: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for told in tolds:
        for mark in _marks(told):
            holders[mark].append(told)
    for (part, value), found in holders.items():
        for one, other in combinations(found, 2):
            if other.case_id not in one.state.links and one.case_id not in other.state.links:
                yield one.breach(15, part, value)
                yield other.breach(15, part, value)


def _marks(told: Told) -> set[tuple[str, str]]:
    """Seals and digests that the case's things have, or were found with."""
    found = {("seal", one.seal_number) for step in told.steps for one in _changed(step) if one.seal_number}
    found |= {("digest", digest) for step in told.steps for one in _changed(step) for digest in one.digests}
    found |= {("digest", digest) for _, body in told.saying(item.ItemExamined) for digest in body.digests}
    return found


def _changed(step: Step) -> list[Item]:
    changes = step.after.items.changes(step.before.items if step.before else None)
    return [change.after for change in changes if change.after is not None]


def unusual(tolds: list[Told], limits: Unusual) -> Iterator[Planted]:
    """14: an agency's handovers of a quarter with many more discrepancies or corrections than those of others."""
    all_, wrong = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for told in tolds:
        spoilt = _spoilt(told)
        for made in told.state.handovers.values():
            quarter = _quarter(made.offered_at)
            if quarter < _quarter(told.as_of.isoformat()):
                all_[quarter, made.from_agency] += 1
                wrong[quarter, made.from_agency] += made.handover_id in spoilt
    for (quarter, agency), count in sorted(all_.items()):
        others = [key for key in all_ if key[0] == quarter and key[1] != agency]
        rest, rest_wrong = sum(all_[key] for key in others), sum(wrong[key] for key in others)
        bad = wrong[quarter, agency]
        is_large = count >= limits.handovers and rest > 0 and bad >= limits.share * count
        if is_large and bad * rest >= limits.times * rest_wrong * count:
            yield Planted(14, "share", "", (agency, quarter))


def _spoilt(told: Told) -> set[str]:
    """The handovers that a discrepancy or a correction is about."""
    found = {one.handover_id for one in told.state.discrepancies.values()}
    by_digest = {step.entry.digest: step.entry.payload.body for step in told.steps}
    for _, body in told.saying(record.RecordCorrected):
        found.add(getattr(by_digest[body.corrects.payload_digest], "handover_id", ""))
    return found


def _quarter(moment: str) -> str:
    on = day(moment)
    return f"{on.year}-Q{(on.month + 2) // 3}"


def _convicts(told: Told) -> set[str]:
    """Whom a prison took in."""
    return {person for made in told.accepted("execution") for person in made.person_ids}


def pensions(tolds: list[Told], table: bytes) -> Iterator[Planted]:
    """17: paid while the person was in execution in prison."""
    paid = payments(table)
    for told in tolds:
        began = ended = ""
        for step in told.steps:
            if step.after.stage == "execution" and not began:
                began = step.entry.payload.occurred_at
            if step.after.closed and began:
                ended = step.entry.payload.occurred_at
        for person in _convicts(told) if began else ():
            if any(day(began) <= on and (not ended or on < day(ended)) for on in paid.get(person, ())):
                yield told.breach(17, "pension", person)
