"""Procedures over HTTP: anybody reads them, an analyst or supervisor publishes them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import msgspec
import pytest

from api.routes import procedures
from ledger.core.encoding.digests import blake3_text
from ledger.core.events import Event
from ledger.core.events.registry import ProcedureAdopted
from ledger.core.procedure.adoption import publication_of
from ledger.core.procedure.package import canonical_form
from ledger.procedures import shipped_package, shipped_rulebook
from ledger.store.log import StoredEntry, event_of
from tests.api.conftest import serving
from tests.api.console.pages import page_of
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, Officer, clerk, supervisor
from tests.unit.core.test_adoption import SECOND

PATH = "/api/v1/procedures"


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service that judges by the first version."""
    with serving(tmp_path_factory.mktemp("procedures"), officers=(clerk(POLICE), supervisor(POLICE))) as service:
        yield service


def publish(served: Served, body: bytes, by: Officer) -> httpx.Response:
    """Post a package; return the answer."""
    headers = {"content-type": "application/json"} | served.token(by)
    return served.request("POST", PATH, content=body, headers=headers)


def test_a_package_is_published_once_and_read_by_anybody(served: Served) -> None:
    """Its text is that which was posted; it is in force once it was adopted, and so the list says."""
    body = msgspec.json.encode({"text": SECOND.decode()})
    digest = blake3_text(SECOND)
    assert [row["in_force"] for row in served.get(PATH).json()["procedures"]] == [True]
    problem(served.get(f"{PATH}/{digest}"), 404, "not_found", "digest")
    answers = [publish(served, body, supervisor(POLICE)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    text = served.get(f"{PATH}/{digest}").json()
    assert (text["text"].encode(), text["version"]) == (SECOND, 2)
    served.ledger.system.append(served.ledger.changes.add(ProcedureAdopted, digest=digest))
    rows = {row["digest"]: row for row in served.get(PATH).json()["procedures"]}
    assert (rows[digest]["in_force"], rows[shipped_rulebook().digest]["in_force"]) == (True, False)
    assert rows[digest]["adopted"] > [text["published"]]


def test_who_may_not_publish_is_refused_and_so_is_what_is_no_package(served: Served) -> None:
    """The role first; then the text, with the place of its fault."""
    problem(publish(served, b"[" * 1000, clerk(POLICE)), 403, "role_missing")
    answer = publish(served, msgspec.json.encode({"text": "{}"}), supervisor(POLICE))
    assert answer.status_code == 400, answer


def test_a_case_is_opened_under_any_procedure_in_force(served: Served) -> None:
    """The form has the words of the one that is chosen, and offers the others."""
    evidence = canonical_form(shipped_package("evidence"))
    assert '<a href="?procedure=' not in page_of(served, clerk(POLICE), "/cases/new").text
    served.ledger.system.append(publication_of(evidence))
    served.ledger.system.append(served.ledger.changes.add(ProcedureAdopted, digest=blake3_text(evidence)))
    page = page_of(served, clerk(POLICE), "/cases/new?procedure=evidence").text
    assert 'name="procedure" value="evidence"' in page
    assert "?procedure=cn-criminal" in page


def test_the_list_decodes_a_text_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is read: texts are long, and their entries do not change."""
    decoded: list[int] = []

    def counted(entry: StoredEntry) -> Event:
        decoded.append(entry.log_index)
        return event_of(entry)

    monkeypatch.setattr(procedures, "event_of", counted)
    publish(served, msgspec.json.encode({"text": SECOND.decode()}), supervisor(POLICE))
    before = len(decoded)
    lists = [served.get(PATH).json() for _ in range(3)]
    assert lists[0] == lists[2]
    assert len(decoded) - before <= 1
