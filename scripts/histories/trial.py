"""The course of a case in court: judgment, appeal, remand, effect."""

from __future__ import annotations

from ledger.core.events import case
from ledger.core.events.terms import Disposal
from scripts.histories.acts import line
from scripts.histories.life import Life
from scripts.histories.plan import Plan
from scripts.histories.review import Review


class Trial(Review):
    """From the court's acceptance until the judgment takes effect."""

    def __init__(self, life: Life, plan: Plan) -> None:
        super().__init__(life, plan)
        self.judgment = ""
        self.disposal_decided: dict[str, Disposal] = {}

    def try_case(self) -> None:
        """Judgment, and what an appeal makes of it."""
        if self.plan.summary:
            self.say(case.CaseStageEntered(stage="first_instance", procedure="summary"))
        self.judge()
        if self.plan.appeal != "none":
            self.appeal()
        if self.plan.appeal == "remanded":
            self.judge()
        self.take_effect()

    def judge(self) -> None:
        """In time; the judgment speaks of all things that are there."""
        self.within("first_instance", 5)
        self.disposal_decided = self.judged(self.disposals())
        self.judgment = self.decide("judgment", items=self.disposal_decided, served=True)

    def judged(self, disposals: dict[str, Disposal]) -> dict[str, Disposal]:
        """What the judgment says of things."""
        return disposals

    def appeal(self) -> None:
        """Appealed within ten days, to the upper court within three; upheld or remanded."""
        self.wait(1, 8)
        self.decide("appealed")
        self.until(self.chance.randint(0, 2))
        sent = self.offer("appeal", self.city.upper_court, self.transfer_list())
        self.accept(sent)
        self.restart_bail()
        self.serve_custody_changes(sent)
        self.within("second_instance", 10)
        remanded = self.plan.appeal == "remanded"
        self.decide("remanded" if remanded else "ruling", served=True)
        self.send_down(sent, remanded)

    def send_down(self, sent: str, remanded: bool) -> None:
        """File and things go back to the court below."""
        self.until(self.chance.randint(0, 2))
        own = [one for one in self.live() if one.responsible == self.responsible]
        lines = [line(one.item_id, stays=self.stays(one.item_id)) for one in own]
        back = self.give_back(sent, "remand" if remanded else "return", lines)
        self.accept(back)
        self.restart_bail()
        self.serve_custody_changes(back)

    def take_effect(self) -> None:
        """When the time for an appeal is over; at once after a ruling of the upper court."""
        if self.plan.appeal != "upheld":
            self.until(11)
        self.decide("judgment_effective", effective_at=self.life.moment)
        if not self.locked_up():
            self.decide("community_correction_ordered", effective_at=self.life.moment)
