"""Files of an item in the browser: given where the record has the digest, looked at, and taken away as they were."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from ledger.config.settings import Settings
from ledger.core.events.item import ItemExamined
from ledger.store import log
from tests.api.conftest import serving
from tests.api.console.desk import READ, Office, axe_findings, drop, office_in
from tests.api.console.pages import page_of, post
from tests.api.service import Served
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, auditor, clerk
from tests.testkit.casework import Case

NOTE = b"<script>document.title = 'taken over'</script>\xe8\xaf\x81\xe6\x8d\xae"
ITEM = "/cases/case-1/items/disk"


def picture() -> bytes:
    target = BytesIO()
    Image.new("RGB", (3000, 40), "navy").save(target, "JPEG", comment=b"where it was taken")
    return target.getvalue()


PICTURE = picture()


def digest_of(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def made_case(now: int) -> Case:
    """Return a case of the police with a disk, of which two files are recorded, and a phone."""
    case = Case(start=now - 600).open()
    return case.register("disk", digests=(digest_of(NOTE), digest_of(PICTURE))).register("phone")


@pytest.fixture
def office(tmp_path: Path, browser: Browser) -> Iterator[Office]:
    """A service with a store in a folder, and nobody at a desk yet."""
    settings = {"data_dir": tmp_path / "data", "evidence_store": (tmp_path / "store").as_uri()}
    with office_in(tmp_path, browser, **settings) as office:
        office.record(made_case(office.ledger.clock.seconds))
        yield office


def test_a_clerk_gives_a_file_looks_at_it_and_takes_it(office: Office, tmp_path: Path) -> None:
    """What is not recorded is not sent; a text is shown as text, a picture as pixels, and a download is the file."""
    desk = office.at(clerk(POLICE), ITEM)
    page = desk.page
    files = page.locator("#files")
    expect(files.get_by_text("not kept here")).to_have_count(2)
    drop(files.locator("[data-give]"), other__txt=b"another file")
    expect(files.locator(".given")).to_contain_text("it is not sent")
    assert not any((tmp_path / "store").rglob("0*"))
    drop(files.locator("[data-give]"), note__html=NOTE)
    expect(files.get_by_text("given by")).to_have_count(1)
    files.locator("input[type=file]").set_input_files(
        [{"name": "seized.jpg", "mimeType": "image/jpeg", "buffer": PICTURE}]
    )
    expect(files.get_by_text("given by")).to_have_count(2)
    expect(files.locator("[data-give]")).to_have_count(0)
    assert axe_findings(page) == []
    line = files.locator("li", has_text=digest_of(NOTE))
    with page.expect_download() as download:
        line.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == NOTE
    line.get_by_role("link", name="Look at it").click()
    expect(page.locator("pre.preview")).to_have_text(NOTE.decode())
    expect(page).not_to_have_title("taken over")
    page.go_back()
    files.locator("li", has_text=digest_of(PICTURE)).get_by_role("link", name="Look at it").click()
    shown = page.locator("img.preview")
    expect(shown).to_have_js_property("naturalWidth", 1600)
    assert axe_findings(page) == []


def test_a_working_copy_is_recorded_if_it_is_the_file(office: Office) -> None:
    """The copy is hashed again from where it lies: another file is refused, the digest of the kept one is signed."""
    desk = office.at(clerk(POLICE), ITEM)
    page = desk.page
    drop(page.locator("#files [data-give]"), note__html=NOTE)
    page.locator("#files li", has_text=digest_of(NOTE)).get_by_role("link", name="Record a working copy").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("working copy")
    page.get_by_label("Method").fill("working copy of the kept file, for the laboratory")
    assert axe_findings(page) == []
    drop(page.locator("[data-drop=digests]"), copy__html=NOTE[:-1])
    expect(page.locator("[data-drop=digests] code")).to_have_count(1)
    page.get_by_role("button", name=READ).click()
    expect(page.locator("#draft")).to_contain_text("what was copied")
    page.locator("[data-drop=digests]").get_by_role("button", name="Remove").click()
    drop(page.locator("[data-drop=digests]"), copy__html=NOTE)
    expect(page.locator("[data-drop=digests] code")).to_have_count(1)
    page.get_by_role("button", name=READ).click()
    assert digest_of(NOTE) in desk.sign()
    with office.ledger.database.read() as connection:
        (entry,) = log.entries_behind(connection, -1, ["item.examined"], 10)
    body = log.event_of(entry).body
    assert isinstance(body, ItemExamined)
    assert (body.match_result, body.method) == ("match", "working copy of the kept file, for the laboratory")
    assert digest_of(NOTE) in body.digests
    assert body.finding == f"digest before {digest_of(NOTE)}, of the copy after {digest_of(NOTE)}"


EXAMINED = {"item_id": "disk", "method": "working copy, for the laboratory", "match_result": "mismatch"}


def test_a_working_copy_is_one_of_a_file_that_is_kept(kept: Served) -> None:
    """Of this item, for somebody; whatever the page's address or a form says, the service compares and concludes."""
    kept_not = digest_of(b"never given")

    def drafted(digest: str, **changes: str) -> str:
        form = EXAMINED | {"digests": digest, "copy": digest} | changes
        return post(kept, clerk(PROCURATORATE), "/cases/case-1/drafts/item.examined", form).text

    for refused in (drafted(kept_not), drafted(digest_of(NOTE), item_id="phone")):
        assert "is kept of this item" in refused
    assert "for whom the copy is" in drafted(digest_of(NOTE), method="working copy of the kept file, for …")
    assert "what was copied" in drafted(kept_not, copy=digest_of(NOTE))
    draft = drafted(digest_of(NOTE))
    assert f"digest before {digest_of(NOTE)}" in draft
    assert "mismatch" not in draft
    page = page_of(kept, clerk(PROCURATORATE), f"/cases/case-1/acts/item.examined?of=disk&copy={digest_of(NOTE)}").text
    assert 'name="match_result"' not in page


def test_what_the_page_does_not_offer_is_refused_all_the_same(office: Office) -> None:
    """A digest that the record of another item has: the answer says what to do, in the words of the page."""
    desk = office.at(clerk(POLICE), ITEM)
    status, text = desk.page.evaluate(
        """async (address) => {
          const headers = { "content-type": "application/octet-stream", "hx-request": "true" };
          const answer = await fetch(address, { method: "POST", headers, body: "x" });
          return [answer.status, await answer.text()];
        }""",
        f"{office.url}/console/cases/case-1/items/phone/files/{digest_of(NOTE)}",
    )
    assert status == 404
    assert "does not have the digest" in text


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Served]:
    """A service that keeps both files of the disk, which is with the procuratorate by now."""
    settings = Settings(
        public_url="https://ledger.test", data_dir=tmp_path / "data", evidence_store=(tmp_path / "store").as_uri()
    )
    with serving(tmp_path, settings) as served:
        case = Case(start=served.ledger.clock.seconds - 600).open()
        case.register("disk", digests=(digest_of(NOTE), digest_of(PICTURE))).register("phone")
        served.record(case.offer("disk", "phone", to=PROCURATORATE, purpose="prosecution_review").accept())
        for data in (NOTE, PICTURE):
            path = f"/api/v1/cases/case-1/items/disk/files/{digest_of(data)}"
            headers = {"content-type": "application/octet-stream"} | served.token(clerk(PROCURATORATE))
            assert served.request("POST", path, content=data, headers=headers).status_code == 200
        yield served


def test_a_former_party_states_its_ground_on_the_page(kept: Served) -> None:
    """The page asks for it; without one nothing is handed out, and others get nothing by a ground."""
    page = page_of(kept, clerk(POLICE), ITEM).text
    assert page.count('name="ground"') == 2
    assert ">Download</a>" not in page
    address = f"{ITEM}/files/{digest_of(NOTE)}"
    assert page_of(kept, clerk(POLICE), address).status_code == 403
    taken = page_of(kept, clerk(POLICE), f"{address}?ground=review")
    assert (taken.status_code, taken.content) == (200, NOTE)
    assert taken.headers["content-disposition"].startswith("attachment")
    assert taken.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert page_of(kept, clerk(POLICE), f"{address}/preview?ground=review").status_code == 200
    assert page_of(kept, clerk(COURT), f"{address}?ground=review").status_code == 404
    assert page_of(kept, auditor(PROCURATORATE), address).status_code == 200


def test_a_picture_is_never_the_file_itself(kept: Served) -> None:
    """It is made anew, without what the camera wrote; of a text there is none."""
    address = f"{ITEM}/files/{digest_of(PICTURE)}"
    shown = page_of(kept, clerk(PROCURATORATE), f"{address}/picture")
    assert shown.headers["content-type"] == "image/png"
    assert b"where it was taken" in PICTURE
    assert b"where it was taken" not in shown.content
    assert page_of(kept, clerk(PROCURATORATE), f"{ITEM}/files/{digest_of(NOTE)}/picture").status_code == 404
    page = page_of(kept, clerk(PROCURATORATE), f"{ITEM}/files/{digest_of(NOTE)}/preview").text
    assert "&lt;script&gt;" in page


def test_another_site_gives_no_file(kept: Served) -> None:
    """A form elsewhere, whoever is signed in."""
    answer = kept.request(
        "POST",
        f"/console{ITEM}/files/{digest_of(NOTE)}",
        content=NOTE,
        headers=kept.cookie(clerk(PROCURATORATE))
        | {"content-type": "application/octet-stream", "origin": "https://elsewhere.test"},
    )
    assert answer.status_code == 403
