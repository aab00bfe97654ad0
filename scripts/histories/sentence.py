"""The end of a criminal case: disposal of things, papers to prison or community correction; and the whole course."""

from __future__ import annotations

from ledger.core.events import item
from ledger.samples.case_telling import pieces
from scripts.histories.acts import line
from scripts.histories.trial import Trial


class Criminal(Trial):
    """The whole course of a criminal case."""

    def live_through(self) -> None:
        """From filing to execution."""
        self.begin()
        if self.plan.route == "withdrawn":
            self.withdraw()
            return
        if self.plan.route == "waiting":
            self.wait_long()
        if self.review():
            self.try_case()
            self.execute()

    def begin(self) -> None:
        """Until the case is ready to be transferred."""
        self.file()
        self.collect()
        self.restrain()
        self.investigate()

    def execute(self) -> None:
        """What was decided of things is done, then the papers go out."""
        self.wait(0, 3)
        decided = [one for one in self.live() if one.item_id in self.disposal_decided]
        self.dispose(decided, self.disposal_decided, self.judgment)
        if self.locked_up():
            self.imprison()
        else:
            self.correct_in_community()

    def imprison(self) -> None:
        """Papers within ten days, intake within a month."""
        self.until_papers("execution_papers")
        self.decide("execution_notified", served=True)
        sent = self.offer("execution", self.city.prison, [line(self.compile_papers())])
        self.take_in(sent)

    def take_in(self, sent: str) -> None:
        """The prison's receipt."""
        self.deliver(sent)
        self.wait(0, 4)
        self.accept(sent)
        self.decide("admitted_to_prison", self.city.prison)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.served()

    def correct_in_community(self) -> None:
        """Notice within five days, papers and report within ten."""
        self.decide("community_correction_notified")
        self.until_papers("community_correction_papers")
        sent = self.offer("community_correction", self.city.correction, [line(self.compile_papers())])
        self.report(sent)

    def report(self, sent: str) -> None:
        """The convicts report; bail is over."""
        self.accept(sent)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.served()

    def until_papers(self, clock: str) -> None:
        """In time, now and then on the last day."""
        last = self.life.last_day(clock)
        left = max(0, (last - self.life.today).days) if last else 0
        self.until(
            left
            if self.chance.random() < 0.15 and clock == "execution_papers"
            else min(left, self.chance.randint(0, 3))
        )

    def compile_papers(self) -> str:
        """The papers of execution; their id."""
        item_id = self.id_of("papers")
        body = item.ItemRegistered(
            item_id=item_id,
            item_kind="dossier",
            description="execution papers",
            quantity=pieces(1, "volume"),
            dossier=item.Dossier(volumes=1, pages=24),
        )
        self.say(body)
        return item_id

    def served(self) -> None:
        """Short sentences end within the history."""
        if self.chance.random() < 0.3:
            self.wait(90, 400)
            self.close(self.judgment)
