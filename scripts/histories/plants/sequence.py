"""Breaches about the order and time of the record: rules 12 and 13."""

from __future__ import annotations

from datetime import datetime, timedelta

from ledger.core.events import item
from ledger.core.procedure.legal_days import DAY, instant_text
from scripts.histories.acts import line
from scripts.histories.life import Horizon
from scripts.histories.plants.catalogue import plant
from scripts.histories.sentence import Criminal
from scripts.histories.world import Officer


class Stores(Criminal):
    """An exhibit goes to the depot, in a way of its own."""

    def store(self, item_id: str) -> None:
        """Only ``stored`` is."""

    def collect(self) -> None:
        super().collect()
        self.stored(self.id_of("exhibit1"))

    def stored(self, item_id: str) -> None:
        """As the law has it."""
        super().store(item_id)

    def send_to_depot(self, item_id: str) -> str:
        """The offer; its id."""
        return self.offer("property_transfer", self.city.depot, [line(item_id)], persons=())


@plant(12, "gap")
class Gap(Stores):
    """Nobody had the thing for weeks: it was released long before it was received."""

    def stored(self, item_id: str) -> None:
        sent = self.send_to_depot(item_id)
        self.until(25)
        self.accept(sent)
        self.life.plant(12, "gap", sent, item_id)


@plant(12, "overlap")
class Overlap(Stores):
    """Two had the thing at a time: it was received before it was released, on the same day: a day before is refused."""

    def stored(self, item_id: str) -> None:
        sent = self.send_to_depot(item_id)
        self.delivered[sent] = _before(self.life.moment, timedelta(hours=2))
        self.accept(sent)
        self.life.plant(12, "overlap", sent, item_id)


@plant(12, "backdated")
class Backdated(Criminal):
    """An act claims to lie before what was recorded before it."""

    def collect(self) -> None:
        super().collect()
        self.wait(8, 9)
        self.say(item.ItemMoved(item_id=self.id_of("exhibit1"), storage_location="room 4"))
        body = item.ItemMoved(item_id=self.id_of("exhibit1"), storage_location="room 5")
        claimed = _before(self.life.moment, 5 * DAY)
        entry = self.life.act(body, self.clerk(self.responsible), occurred_at=claimed)
        self.life.plant(12, "backdated", entry.payload.event_id, claimed)


@plant(12, "same_officer")
class SameOfficer(Stores):
    """One officer serves two counters: he releases and receives."""

    def stored(self, item_id: str) -> None:
        sent = self.send_to_depot(item_id)
        sender = self.life.state.handovers[sent].offered_by
        self.accept(sent, by=Officer(self.city.depot, sender, ("clerk",)))
        self.life.plant(12, "same_officer", sent, sender)


@plant(12, "anchored_late", returns=1, custody="bail")
class RecordedLate(Criminal):
    """The resubmission claims the last day of its month, and is recorded a week later."""

    def until_resubmission(self) -> None:
        last = self.life.last_day("supplementary_investigation")
        self.until((last - self.life.today) // DAY if last else 28)

    def offer(self, *told, **named) -> str:  # type: ignore[no-untyped-def]
        if not self.resubmits or named.get("follows") != self.resubmits:
            return super().offer(*told, **named)
        sent = super().offer(*told, **named, delay=7 * DAY)
        self.delivered[sent] = self.life.state.handovers[sent].offered_at
        self.life.plant(12, "anchored_late", sent, self.life.last.payload.event_id)
        return sent


@plant(13, "unanswered", account=False, summary=False)
class Unanswered(Criminal):
    """The court never answers the indictment."""

    def indict(self) -> None:
        sent = self.offer("public_prosecution", self.city.court, self.indictment_list())
        self.life.plant(13, "unanswered", sent)
        raise Horizon


def _before(moment: str, by: timedelta) -> str:
    return instant_text(int((datetime.fromisoformat(moment) - by).timestamp()))
