"""A case in which much happens: things are registered, frozen, moved, sent for examination and sent back."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ledger.core.events import Body, Stream, case, handover, item
from ledger.core.events.terms import Quantity
from ledger.core.procedure.legal_days import instant_text
from ledger.recording.signing import Actor, StreamPosition, sign_event
from scripts.bench.events import LOG_ID, POLICE, PROCURATORATE

ROUND = 8  # events that come again and again, about other things each time
_ONE = Quantity(value="1", unit="piece")
_WEEK_S = 7 * 86_400


class BusyCase:
    """Gives its submissions one after the other, without end; each stands on the one before it.

    Of a round two items and two answered handovers stay in the case, a clock that runs and two that have ended.
    """

    def __init__(self, case_id: str):
        self.case_id = case_id
        self._place = StreamPosition(Stream(kind="case", id=case_id))
        self._acts = self._all_acts()

    def take(self, count: int) -> list[bytes]:
        """The next submissions."""
        return [self._signed(*next(self._acts)) for _ in range(count)]

    def _signed(self, body: Body, actor: Actor) -> bytes:
        signed = sign_event(body, self._place, actor, LOG_ID)
        self._place = StreamPosition(self._place.stream, self._place.sequence + 1, signed.envelope.payload_digest)
        return signed.submission

    def _all_acts(self) -> Iterator[tuple[Body, Actor]]:
        yield (
            case.CaseOpened(
                case_number=self.case_id, case_type="fraud", business_line="criminal", stage="investigation"
            ),
            POLICE,
        )
        yield case.PersonNamed(person_id="0" * 32, role="suspect"), POLICE
        number = 0
        while True:
            yield from self._round(number)
            number += 1

    def _round(self, number: int) -> Iterator[tuple[Body, Actor]]:
        account, phone = f"account-{self.case_id}-{number}", f"phone-{self.case_id}-{number}"
        there, back = f"there-{number}", f"back-{number}"
        lines, now = (handover.OfferedItem(item_id=phone),), int(time.time())
        yield item.ItemRegistered(item_id=account, item_kind="property", description="money", quantity=_ONE), POLICE
        yield item.ItemFrozen(item_id=account, frozen_until=instant_text(now + 26 * _WEEK_S)[:10]), POLICE
        yield item.ItemRegistered(item_id=phone, item_kind="exhibit", description="a phone", quantity=_ONE), POLICE
        yield _offer(there, lines, now), POLICE
        yield _acceptance(there, now), PROCURATORATE
        yield _return(back, there, lines), PROCURATORATE
        yield _acceptance(back, now), POLICE
        yield item.ItemMoved(item_id=phone, storage_location="locker 7"), POLICE


def _offer(handover_id: str, lines: tuple[handover.OfferedItem, ...], now: int) -> handover.HandoverOffered:
    return handover.HandoverOffered(
        handover_id=handover_id,
        to_agency=PROCURATORATE.agency,
        purpose="forensic_examination",
        items=lines,
        expires_at=instant_text(now + _WEEK_S),
    )


def _acceptance(handover_id: str, now: int) -> handover.HandoverAccepted:
    return handover.HandoverAccepted(handover_id=handover_id, received_at=instant_text(now), rest_as_listed=True)


def _return(handover_id: str, returns: str, lines: tuple[handover.OfferedItem, ...]) -> handover.HandoverReturned:
    return handover.HandoverReturned(
        handover_id=handover_id,
        returns=returns,
        purpose="return",
        reason_code="other",
        explanation="examined",
        items=lines,
    )
