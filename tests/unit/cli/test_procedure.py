"""``tally procedure``: packages are checked, shown, tried out and compared without a service."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

import ledger.procedures
from ledger.cli.commands.procedure import files_of
from ledger.cli.errors import Exit
from ledger.procedures import SHIPPED, shipped_package, shipped_rulebook
from tests.testkit.builders import POLICE, founder
from tests.testkit.service import RunningService
from tests.testkit.tally import Tally

FOLDER = Path(ledger.procedures.__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package that ships."""
    (tmp_path / "mine").mkdir()
    for name, data in shipped_package().items():
        if "/" not in name:  # what it includes comes with this version
            (tmp_path / "mine" / name).write_bytes(data)
    return tmp_path / "mine"


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_package_is_listed_and_shown(tally: Tally) -> None:
    """With its digest; its clocks in the reader's language."""
    digests = {listed["procedure_id"]: listed["digest"] for listed in tally.ok("procedure", "list")}
    assert list(digests) == list(SHIPPED)
    assert digests["cn-criminal"] == shipped_rulebook().digest
    shown = tally.ok("procedure", "show", "cn-criminal")
    assert shown["words"]["trial"] == 3
    assert next(clock for clock in shown["clocks"] if clock["clock"] == "arrest_request")["periods"] == ["3 d"]
    assert "提请批准逮捕" in tally("--lang", "zh-CN", "procedure", "show", "cn-criminal").out


def test_a_copy_of_a_package_is_the_same_package(tally: Tally, folder: Path) -> None:
    """It has the same digest, its examples pass, and it differs in nothing."""
    (checked,) = tally.ok("procedure", "check", folder)
    assert checked["digest"] == shipped_rulebook().digest
    assert {row["result"] for row in tally.ok("procedure", "test", folder)} == {"passed"}
    assert tally.ok("procedure", "diff", "cn-criminal", folder) == []


def test_a_fault_is_told_by_file_line_and_key(tally: Tally, folder: Path) -> None:
    """Others are checked nevertheless; the exit code says that one is not sound."""
    replace(folder / "clocks-detention.toml", 'starts = ["measure.detention"]', 'starts = ["measure.detector"]')
    done = tally("procedure", "check", folder, "cn-criminal")
    assert done.status == Exit.USAGE
    assert f"{folder}/clocks-detention.toml:" in done.err
    assert "no event triggers 'measure.detector'" in done.err
    assert tally("procedure", "test", folder).status == Exit.USAGE


def test_what_nobody_has_looked_up_yet_is_listed(tally: Tally, folder: Path) -> None:
    """It is no fault; each row says what is missing."""
    replace(
        folder / "clocks-detention.toml",
        'name = "arrest_request"',
        'name = "arrest_request"\nunconfirmed = { en = "the article", zh = "条文" }',
    )
    (checked,) = tally.ok("procedure", "check", folder)
    assert {
        "procedure_id": "cn-criminal",
        "part": "clocks[arrest_request 2018-10-26]",
        "label": "request arrest of the detained person",
        "article": "CPL 91",
        "unconfirmed": "the article",
    } in (checked["unconfirmed"])
    for command in ("check", "show"):
        done = tally("procedure", command, folder)
        assert (done.status, "the article" in done.out) == (Exit.OK, True)
    in_chinese = tally("--lang", "zh-CN", "procedure", "show", folder).out
    assert ("条文" in in_chinese, "the article" in in_chinese, "3日" in in_chinese) == (True, False, True)
    listed = {row["procedure_id"]: len(row["unconfirmed"]) for row in tally.ok("procedure", "list")}
    assert listed["cn-criminal"] == len(checked["unconfirmed"]) - 1
    assert listed["evidence"] == 0


def test_what_rests_on_a_law_whose_text_stands_nowhere_is_listed(tally: Tally, folder: Path) -> None:
    """It is no fault either; a package that ships has no such row, and its rows show the text of their law."""
    assert tally.ok("procedure", "check", folder)[0]["without_source"] == []
    replace(
        folder / "flags.toml",
        'name = "backdated"\narticle = "custody rule: acts are recorded in their order"\nvalid_from = "1000-01-01"',
        'name = "backdated"\narticle = "by-laws 3"\nvalid_from = "1000-01-01"',
    )
    (checked,) = tally.ok("procedure", "check", folder)
    row = {"procedure_id": "cn-criminal", "part": "flags[backdated 1000-01-01]", "article": "by-laws 3"}
    assert checked["without_source"] == [row]
    done = tally("procedure", "check", folder)
    assert (done.status, "by-laws 3" in done.out) == (Exit.OK, True)


def test_an_example_that_fails_says_why(tally: Tally, folder: Path) -> None:
    """And what differs from the package that ships is listed by its key."""
    replace(folder / "clocks-detention.toml", 'bases = [{ period = "3 d" }]', 'bases = [{ period = "5 d" }]')
    done = tally("procedure", "test", folder)
    assert done.status == Exit.REFUSED
    assert "arrest_request: last_day is 2026-03-07, expected 2026-03-05" in done.out
    (row,) = tally.ok("procedure", "diff", "cn-criminal", folder)
    assert row == {
        "part": "clocks[arrest_request 2018-10-26].bases[0].period",
        "before": '"3 d"',
        "after": '"5 d"',
    }


def test_what_is_no_package_is_refused(tally: Tally, tmp_path: Path) -> None:
    """A folder that is not there, and one without the main file."""
    for package in (tmp_path / "nowhere", tmp_path):
        assert tally("procedure", "show", package).status == Exit.USAGE


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_package_has_the_files_of_its_folder(name: str) -> None:
    """Those in it, and those of the folders that it includes."""
    assert files_of(str(FOLDER / name)) == shipped_package(name)


def test_a_package_includes_another_one_or_a_folder(tally: Tally, tmp_path: Path) -> None:
    """By the name that it ships under, or as a folder beside; anything else is refused by its name."""
    mine = tmp_path / "mine"
    (mine / "shared").mkdir(parents=True)
    identity = '[procedure]\nid = "mine"\nversion = 1\ntitle = {{ en = "M", zh = "M" }}\nvalid_from = "2026-01-01"\n'
    main = "include = [{}]\n" + identity + 'languages = ["en", "zh"]\n'
    (mine / "shared" / "more.toml").write_text('[lines]\nloan = { label = { en = "loan", zh = "loan" } }\n')
    (mine / "procedure.toml").write_text(main.format('"evidence", "shared"'))
    shown = tally.ok("procedure", "show", mine)
    assert (shown["procedure_id"], shown["words"]["business_line"], shown["examples"]) == ("mine", 3, 0)
    for included, place in (('"nowhere"', "nowhere"), ("1", "expected names of folders")):
        (mine / "procedure.toml").write_text(main.format(included))
        assert place in tally.refuses(Exit.USAGE, place, "procedure", "check", mine).err


def test_a_copy_to_write_from(tally: Tally, tmp_path: Path) -> None:
    """It is the same package; a folder that is there already is not written into."""
    mine = tmp_path / "new" / "mine"
    assert "procedure.toml" in tally("procedure", "copy", "cn-criminal", mine).err
    assert tally.ok("procedure", "diff", "cn-criminal", mine) == []
    tally.refuses(Exit.USAGE, "is there already", "procedure", "copy", "evidence", mine)


def test_the_days_off_of_a_part_of_a_country(tally: Tally) -> None:
    """Easter Monday is a day off in England, and not in Scotland."""
    assert '"2026-04-06"' in tally("procedure", "calendar", "GB-ENG", "2026").out
    assert '"2026-04-06"' not in tally("procedure", "calendar", "GB-SCT", "2026").out
    tally.refuses(Exit.USAGE, "no days off of GB-XXX are known", "procedure", "calendar", "GB-XXX", "2026")


@pytest.mark.extended
def test_a_command_labels_by_the_packages_of_its_ledger(folder: Path, tmp_path: Path) -> None:
    """Not by that of the same name which ships. The text is kept in the profile; a changed one is fetched again."""
    replace(folder / "procedure.toml", 'zh = "公安机关"', 'zh = "本地公安"')
    with closing(RunningService(tmp_path / "service")) as service:
        tally = service.tally
        file = tmp_path / "founding.json"
        file.write_text(json.dumps({"agencies": [founder(POLICE)], "development": True}), encoding="utf-8")
        options = ("--founding", file, "--data-dir", service.data, "--passphrase-file", tally.passphrase_file)
        tally.ok("init", "--light", "--procedure", folder, *options)
        service.start()
        tally.ok("profile", "add", "reader", "--url", service.url)
        listed = ("--lang", "zh-CN", "agency", "list")
        assert "本地公安" in tally(*listed, profile="reader").out
        (kept,) = (tally.config / "profiles" / "reader" / "procedures").iterdir()
        kept.write_text("{}", encoding="utf-8")
        assert "本地公安" in tally(*listed, profile="reader").out
        assert "本地公安" in kept.read_text(encoding="utf-8")
