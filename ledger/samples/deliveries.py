"""Stories 1 to 3: a clean run, a short delivery, a bad dossier."""

from __future__ import annotations

from ledger.core.events import case, handover, item
from ledger.core.events.terms import DecisionKind
from ledger.samples.case_telling import CaseTelling, pieces
from ledger.samples.telling import Teller

TWO = ("样例甲 the first of the sample", "样例乙 the second of the sample")
TAKEN_IN: tuple[tuple[DecisionKind, str], ...] = (
    ("admitted_to_detention_house", "收押"),
    ("interrogated", "讯问"),
    ("family_notified", "通知家属"),
)
CLEAN, SHORT, DOSSIER = "sample-01-clean-run", "sample-02-short-delivery", "sample-03-bad-dossier"


def clean_run(teller: Teller) -> None:
    """Police, procuratorate, court, corrections; two defendants, twenty exhibits, nothing out of order."""
    exhibits = tuple(f"{CLEAN}-exhibit-{number}" for number in range(1, 21))
    dossier = f"{CLEAN}-dossier"
    told = CaseTelling(teller, CLEAN, days_ago=150).open("东公刑立字〔样例〕1号", "盗窃 theft").name(*TWO)
    told.assign("刑侦二队 second squad")
    for number, name in enumerate(TWO, 1):
        told.impose(f"detention-{number}", name, "detention", "现场抓获 caught at the place")
    taken_in(told, *TWO)
    told.register(dossier, "侦查卷宗 file of the investigation", "dossier", dossier=item.Dossier(volumes=2, pages=214))
    for number, exhibit in enumerate(exhibits, 1):
        told.register(exhibit, f"作案工具之{number} tool {number}", seal_number=f"FY-01-{number:02}")
    arrest(told)
    told.on(40).offer("procuratorate-east", "prosecution_review", dossier, *exhibits, persons=TWO).accept()
    keep_for(told, "换1")
    told.on(65).decide("prosecuted", "东检刑诉〔样例〕1号", *TWO)
    told.offer("court-east", "public_prosecution", dossier, *exhibits, persons=TWO).accept()
    keep_for(told, "换2")
    told.on(110).decide("judgment", "（样例）东刑初1号", *TWO, served_at=told.now)
    told.on(121).decide("judgment_effective", "（样例）东刑初1号生效", *TWO)
    told.on(122).say(
        "court",
        item.ItemDisposalProposed(
            item_ids=exhibits, disposal="destroyed", ground="作案工具 tools of the crime", decision_id="judgment"
        ),
    )
    told.say("court-chief", item.ItemDisposed(cites=told.ref, disposed_at=told.now))
    told.on(125).offer("corrections-east", "execution", dossier, persons=TWO).accept()
    told.on(126).say("corrections", case.CaseClosed(ground="已交付执行 sentence being served", decision_id="judgment"))


def taken_in(told: CaseTelling, *names: str) -> None:
    """Within a day of the detention: to the detention house, interrogated, the family told."""
    for kind, number in TAKEN_IN:
        told.decide(kind, f"{number}〔样例〕", *names)


def arrest(told: CaseTelling) -> None:
    """Requested on the third day, approved on the eighth."""
    told.on(3).offer("procuratorate-east", "arrest_approval", persons=TWO).accept(moves=False)
    told.on(8).decide("arrest_approved", "东检批捕〔样例〕1号", *TWO, by="prosecutor")
    for number in (1, 2):
        told.change(f"detention-{number}", f"arrest-{number}", "arrest", "批准逮捕 approved")


def keep_for(told: CaseTelling, number: str) -> None:
    """The detention house keeps both for the agency that has the case now."""
    for person, name in enumerate(TWO, 1):
        told.change_custody(name, f"{number}-{person}")


def short_delivery(teller: Teller) -> None:
    """Eighteen of twenty are accepted: a seal is broken, nine are there where ten are listed. One side has signed."""
    exhibits = tuple(f"{SHORT}-exhibit-{number}" for number in range(1, 21))
    sealed, counted = exhibits[4], exhibits[11]
    told = CaseTelling(teller, SHORT, days_ago=12).open("东公刑立字〔样例〕2号", "诈骗 fraud").name("样例丙 a suspect")
    for number, exhibit in enumerate(exhibits, 1):
        quantity = pieces(10) if exhibit == counted else pieces(1)
        told.register(
            exhibit, f"涉案手机卡之{number} card {number}", quantity=quantity, seal_number=f"FY-02-{number:02}"
        )
    told.on(9).offer("procuratorate-east", "prosecution_review", *exhibits)
    told.accept(
        not_accepted=(
            handover.NotAcceptedItem(
                item_id=sealed,
                reason_code="seal_broken",
                seal_state="broken",
                explanation="封口一侧撕裂 torn on one side",
            ),
            handover.NotAcceptedItem(item_id=counted, reason_code="items_differ", quantity=pieces(9)),
        )
    )
    resolution = "封签在运输途中破损，重新封存 broken on the way, sealed again"
    resolved = handover.DiscrepancyResolved(discrepancy_id=f"handover-1/{sealed}", resolution=resolution)
    told.on(10).say("prosecutor", resolved).say("police", resolved)
    told.say(
        "police",
        handover.DiscrepancyResolved(
            discrepancy_id=f"handover-1/{counted}",
            resolution="第十张在物证室，双方重新清点 the tenth lay in our property room",
        ),
    )


def bad_dossier(teller: Teller) -> None:
    """Refused for its binding, back after the day that was set; the second offer waits for its answer."""
    dossier = f"{DOSSIER}-dossier"
    told = (
        CaseTelling(teller, DOSSIER, days_ago=15)
        .open("东公刑立字〔样例〕3号", "故意伤害 assault")
        .name("样例丁 a suspect")
    )
    told.register(dossier, "侦查卷宗 file", "dossier", dossier=item.Dossier(volumes=3, pages=412))
    told.on(5).offer("procuratorate-east", "prosecution_review", dossier)
    due = f"{told.last_day(8)}T09:00:00Z"
    told.refuse("binding_defective", "rebind", "第二册散页 volume two has come loose", due_at=due)
    told.on(13).offer("procuratorate-east", "prosecution_review", dossier, follows="handover-1")
