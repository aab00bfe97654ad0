"""Builds whole cases, so that a test reads like sentences::

case = Case().open().register("phone", "knife").offer("phone", "knife", to=PROCURATORATE).accept()
case.last.submission               # the bytes to post
case.state.items["phone"].holder   # PROCURATORATE
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, Self

import pytest
from msgspec import structs

from ledger.core.custody import Act, CaseState, Flag, fold
from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import NAME_OF, Body, case, handover, item
from ledger.core.events.record import ErasureProposed, SectionErased
from ledger.core.events.terms import EventRef, Money
from ledger.core.procedure import rulebook
from ledger.core.procedure.clock_periods import Clock
from ledger.core.signing.authority import Agency
from ledger.procedures import shipped_rulebook
from ledger.samples.case_acts import CaseActs, person_id, pieces, registration, stays  # noqa: F401 - tests take them from here
from tests.testkit.builders import (
    LAB,
    POLICE,
    PROCURATORATE,
    Officer,
    SignedEvent,
    Writer,
    clerk,
    instant,
    path_of,
    refused,
    sample_body,
    supervisor,
)

DAY = 86400  # seconds
AT = "2026-03-02T02:00:00Z"  # an hour after the first case is opened


class Case(CaseActs[Officer], Writer):
    """Writes a case's stream and folds it; acts are signed by officers of the tests.

    ``flags`` are those of the last act.
    """

    opener = POLICE

    def __init__(
        self,
        case_id: str = "case-1",
        *,
        book: rulebook.Rulebook | None = None,
        kinds: Mapping[str, str] | None = None,
        registered: Mapping[str, Agency] | None = None,
        **clock: Any,
    ) -> None:
        super().__init__("case", case_id, **clock)
        self.book = book or shipped_rulebook()
        self.kinds = kinds or {}  # of the agencies, as far as they are known
        self.registered = registered
        self.flags: tuple[Flag, ...] = ()

    def act(self, body: Body, by: Officer | None = None, *, source: CaseState | None = None, **fields: Any) -> Self:
        event = self.draft(body, by or clerk(self.state.responsible), **fields)
        act = Act(event.event, self.book, source, self.registered, self.kinds)
        self.current, self.flags = fold(self.current, act)
        self.events.append(event)
        self.now += self._step
        return self

    def say(self, kind: type[Body], by: Officer | None = None, /, **fields: Any) -> Self:
        """Write an event of this kind; what it requires and ``fields`` leave out is as in the sample of its type."""
        return super().say(kind, by, **(_required_of(kind) | fields))

    def erase(
        self,
        concerns: EventRef,
        label: str,
        by: Officer,
        *,
        ground: str = "on request",
        erased_for: str | None = None,
        **fields: Any,
    ) -> Self:
        """Propose the erasure of a section as a clerk of the supervisor ``by``, who signs second."""
        body = ErasureProposed(concerns=concerns, label=label, ground=ground)
        self.act(body, clerk(by.agency))
        return self.act(structs.replace(second_of(self.last, body), erased_for=erased_for), by, **fields)

    def clerk_of(self, agency: str) -> Officer:
        return clerk(agency)

    def recall(self, handover_id: str | None = None, *, by: Officer | None = None) -> Self:
        offered = self.open_handover(handover_id)
        return self.say(handover.HandoverRecalled, by or clerk(offered.from_agency), handover_id=offered.handover_id)

    def clock(self, name: str, person: str | None = None) -> Clock:
        """Return the latest clock of the name, of the person if one is named."""
        subject = person_id(person) if person else None
        return [c for c in self.state.clocks.values() if c.name == name and subject in (None, c.subject)][-1]

    def running(self) -> set[str]:
        """Return the names of the clocks that run."""
        return {c.name for c in self.state.clocks.values() if c.is_running}

    def flag_names(self) -> list[str]:
        return [flag.name for flag in self.flags]

    def extend(self, name: str, extension: str, **fields: object) -> Self:
        """Extend the latest clock of the name."""
        fields = {"deadline_id": self.clock(name).deadline_id, "extension": extension} | fields
        return self.say(case.DeadlineExtended, **fields)

    def suspend(self, at: int) -> Self:
        """Suspend the clock of the arrest request."""
        fields = {"suspended_at": instant(at), "excluded_for": "psychiatric_assessment"}
        return self.say(case.DeadlineSuspended, deadline_id=self.clock("arrest_request").deadline_id, **fields)

    def resume(self, at: int) -> Self:
        deadline_id = self.clock("arrest_request").deadline_id
        return self.say(case.DeadlineResumed, deadline_id=deadline_id, resumed_at=instant(at))

    def reset(self, at: int) -> Self:
        deadline_id = self.clock("arrest_request").deadline_id
        return self.say(case.DeadlineReset, deadline_id=deadline_id, reset_at=instant(at))


def second_of(proposal: SignedEvent, body: ErasureProposed) -> SectionErased:
    """Return the second signature of the erasure that the event proposes."""
    return SectionErased(concerns=body.concerns, label=body.label, ground=body.ground, cites=proposal.ref)


# -- cases that are under way ------------------------------------------------------------------------------------------


def holding(*item_ids: str, **fields: Any) -> Case:
    """Return a case whose items the police hold; li and wang are the suspects."""
    return Case().open().name("li", "wang").register(*item_ids, **fields)


def offered(*item_ids: str, **fields: Any) -> Case:
    """Return a case that the police offer with the items and persons to the procuratorate."""
    return holding(*item_ids).offer(*item_ids, to=PROCURATORATE, persons=("li", "wang"), **fields)


def passed(*item_ids: str) -> Case:
    """Return a case that the procuratorate accepted with the items and persons."""
    return offered(*item_ids).accept()


def sent(*item_ids: str, **fields: Any) -> Case:
    """Return a case whose items the police offer to the laboratory for examination."""
    return holding(*item_ids, **fields).offer(*item_ids, to=LAB, purpose="forensic_examination")


def lent(*item_ids: str, **fields: Any) -> Case:
    """Return a case whose items the laboratory has, while the police answer for them."""
    return sent(*item_ids, **fields).accept()


def detained(*names: str) -> Case:
    """Return a case with persons who were detained as it began."""
    opened = Case().open().name(*names)
    for name in names:
        opened.impose(name, "detention")
    return opened


def late_arrest() -> Case:
    """Return a case in which the arrest of Li was asked for when the third day was over, which was the last."""
    case_of_li = detained("li")
    case_of_li.now = unix_seconds("2026-03-05T16:00:00Z")
    return case_of_li.offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()


def li_detained() -> Case:
    """Li is in detention, under measure-1."""
    return holding().say(
        case.MeasureImposed,
        measure_id="measure-1",
        person_id=person_id("li"),
        measure="detention",
        started_at=AT,
        ground="caught in the act",
        until="2026-03-05",
    )


def proposed(*item_ids: str, disposal: str = "destroyed", **fields: Any) -> Case:
    """Return a case in which a clerk of the police proposed the disposal of the items."""
    written = holding(*item_ids, kind="property")
    return written.say(item.ItemDisposalProposed, item_ids=item_ids, disposal=disposal, ground="perishable", **fields)


def dispose(written: Case, by: Officer | None = None, **fields: Any) -> Case:
    """Sign second, under the last event."""
    defaults = {"cites": written.last.ref, "disposed_at": AT}
    return written.say(item.ItemDisposed, by or supervisor(POLICE), **(defaults | fields))


def holders(written: Case) -> dict[str, str]:
    return {item.item_id: item.holder for item in written.state.items.values()}


# -- lines of lists ----------------------------------------------------------------------------------------------------


def got(item_id: str, match_result: str = "match", **fields: Any) -> handover.ReceivedItem:
    return handover.ReceivedItem(item_id=item_id, match_result=match_result, **fields)  # type: ignore[arg-type]


def kept(item_id: str, reason_code: str = "seal_broken", **fields: Any) -> handover.NotAcceptedItem:
    return handover.NotAcceptedItem(item_id=item_id, reason_code=reason_code, **fields)  # type: ignore[arg-type]


def part(
    item_id: str, value: int | str, *, unit: str = "piece", amount: int | None = None, **fields: Any
) -> item.ItemPart:
    money = None if amount is None else Money(amount=amount, currency=fields.pop("currency", "CNY"))
    return item.ItemPart(item_id=item_id, quantity=pieces(value, unit), money=money, **fields)


@cache
def _required_of(kind: type[Body]) -> dict[str, Any]:
    sample = sample_body(NAME_OF[kind], full=False)
    return {field.name: getattr(sample, field.name) for field in structs.fields(kind) if field.required}


# -- refusals ----------------------------------------------------------------------------------------------------------


class Refusal(NamedTuple):
    """An act that is tried on ``written``; ``named`` are the rule that refuses it and the field below ``payload``."""

    named: str
    written: Case
    act: Callable[[Case], object]


Refusals = dict[str, Refusal]


def each_refusal(refusals: Refusals) -> pytest.MarkDecorator:
    """Parametrize a test with each ``refusal`` of the table."""
    return pytest.mark.parametrize("refusal", refusals.values(), ids=refusals)


def require_refusal(refusal: Refusal) -> None:
    """Require that the act is refused under the rule's name and by the field, and leaves the case as it was."""
    written = refusal.written
    rule, field = refusal.named.split()
    before, count = written.current, len(written.events)
    with refused(rule, field=path_of(field)):
        refusal.act(written)
    assert written.current is before
    assert len(written.events) == count
