"""The eight published models, each over data made for it in one ledger: every planted case is found, and no other.

Lists of other bodies are registered, their files kept, and the service runs the models and raises the leads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from ledger.core.supervision import LeadState
from ledger.supervision.models.model_file import shipped_models
from tests.testkit.builders import POLICE, PROCURATORATE, Writer, analyst, instant
from tests.testkit.casework import DAY, Case, person_id
from tests.testkit.supervision import dataset
from tests.unit.supervision.supervised_ledger import NOW, Watched, watched_ledger

PUBLISHED = list(shipped_models())[-8:]
Rows = Sequence[tuple[str, ...]]


def day(ago: int) -> str:
    """Return the UTC day that lies so many days back."""
    return instant(NOW - ago * DAY)[:10]


def case(case_id: str, *, ago: int) -> Case:
    """Open a case of the police that was begun so many days ago, and is recorded now."""
    return Case(case_id, start=NOW - 3600, step=1).open(occurred_at=instant(NOW - ago * DAY))


def cases() -> list[Case]:
    """Make the cases: those that are planted, and their neighbours on the other side of each border."""
    away = case("away", ago=300).name("away", "approved", "at-home", role="defendant")
    victims = case("victims", ago=100).name("poor", "helped", "well-off", role="victim").name("poor-suspect")
    old = case("no-measure", ago=740).name("waiting")
    young = case("young", ago=700).name("young")
    explained = case("explained", ago=900).name("explained")
    penalties = case("penalties", ago=400)
    for number, ago in (("N-1", 130), ("N-2", 130), ("N-3", 100)):
        moment = instant(NOW - ago * DAY)
        penalties.decide("not_prosecuted", decision_id=number.lower(), number=number, decided_at=moment)
    penalties.decide("victim_informed", decision_id="n-4", number="N-4", decided_at=instant(NOW - 200 * DAY))
    driving = case("driving", ago=10).name("driver")
    return [away, victims, old, young, explained, penalties, driving]


LISTS: Mapping[str, tuple[str, Rows]] = {
    "correction-register": (
        "人员,执行地,矫正起日,矫正止日",
        [(person_id(name), "东区", day(200), day(-100)) for name in ("away", "approved", "at-home", "in-no-case")],
    ),
    "correction-travel": (
        "人员,所在市县,日期",
        [
            (person_id("away"), "西市", day(30)),
            (person_id("away"), "西市", day(250)),
            (person_id("approved"), "西市", day(30)),
            (person_id("at-home"), "东区", day(30)),
            (person_id("in-no-case"), "西市", day(30)),
        ],
    ),
    "correction-leave": ("人员,批准起日,批准止日", [(person_id("approved"), day(31), day(29))]),
    "hardship-register": ("人员", [(person_id(name),) for name in ("poor", "helped", "poor-suspect")]),
    "judicial-aid": ("人员", [(person_id("helped"),)]),
    "explained-cases": ("案件编号", [("explained",)]),
    "penalty-outcomes": ("不起诉决定书文号,处理日期", [("N-2", day(50))]),
    "company-register": (
        "统一社会信用代码,住所,登记机关,成立日期",
        [
            *((f"S{number}", "一路1号", POLICE, day(400)) for number in range(10)),
            *((f"T{number}", "二路2号", POLICE, day(400)) for number in range(11)),
            *((f"U{number}", "三路3号", POLICE, day(20)) for number in range(12)),
        ],
    ),
    "company-insured": ("统一社会信用代码", [("T0",)]),
    "company-taxed": ("统一社会信用代码", [("T1",)]),
    "alcohol-tests": (
        "人员,检测日期,酒精含量,办案单位",
        [
            (person_id("unfiled"), day(40), "187.5", POLICE),
            (person_id("driver"), day(40), "200", POLICE),
            (person_id("sober"), day(40), "149", POLICE),
            (person_id("yesterday"), day(1), "200", POLICE),
        ],
    ),
    "insurance-claims": (
        "人员,号牌,出险日期,保险公司,管辖单位",
        [
            (person_id("claims"), "甲A00001", day(60), "甲保险", POLICE),
            (person_id("claims"), "甲A00001", day(60), "乙保险", POLICE),
            (person_id("claims"), "甲A00002", day(60), "甲保险", POLICE),
            (person_id("claims"), "甲A00002", day(50), "乙保险", POLICE),
        ],
    ),
    "hotel-stays": (
        "旅馆,年龄,监护人联系,入住日期,管辖单位",
        [
            *(("甲旅馆", age, "", day(9), POLICE) for age in ("9", "15", "17")),
            *(("乙旅馆", age, "", day(9), POLICE) for age in ("15", "17", "18")),
            *(("丙旅馆", age, "已联系", day(9), POLICE) for age in ("9", "15", "17")),
        ],
    ),
}
PLANTED: Mapping[str, Mapping[str, str]] = {
    "correction-away-unapproved": {"case_id": "away", "person_id": person_id("away")},
    "judicial-aid-due": {"case_id": "victims", "person_id": person_id("poor")},
    "investigation-suspended": {"case_id": "no-measure"},
    "penalty-not-followed": {"case_id": "penalties", "decision_id": "n-1"},
    "shell-companies": {"address": "一路1号"},
    "drunk-driving-not-filed": {"person": person_id("unfiled")},
    "claims-at-two-insurers": {"plate": "甲A00001", "accident_on": day(60)},
    "minors-lodged": {"hotel": "甲旅馆"},
}


@pytest.fixture(scope="module")
def leads(tmp_path_factory: pytest.TempPathFactory) -> list[LeadState]:
    """Record the cases, register the lists, publish the models, and let the service look once."""
    with watched_ledger(tmp_path_factory.mktemp("published")) as watched:
        watched.post(*cases(), registered_lists(watched))
        for name in PUBLISHED:
            watched.publish(shipped_models()[name])
        watched.supervisor.step()
        assert list(watched.supervisor.state.faults) == []
        return watched.leads()


def registered_lists(watched: Watched) -> Writer:
    writer = Writer("agency", PROCURATORATE, start=NOW - 3000, step=1)
    for dataset_id, (heading, rows) in LISTS.items():
        data = "\n".join([heading, *(",".join(row) for row in rows), ""]).encode()
        body = dataset(data, dataset_id=dataset_id, rows=len(rows), readable=True, period_until="2030-12-31")
        watched.files.keep(body, data)
        writer.write(body, analyst(PROCURATORATE))
    return writer


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_planted_one_is_found_and_no_other(leads: list[LeadState], name: str) -> None:
    """The lead's key is that of what was planted, and it cites every list that the model asked."""
    (lead,) = [lead.raised for lead in leads if lead.raised.model_id == name]
    expected = PLANTED[name]
    assert {part: lead.key[part] for part in expected} == expected
    assert {cited.dataset_id for cited in lead.datasets} <= LISTS.keys()
    assert lead.datasets
