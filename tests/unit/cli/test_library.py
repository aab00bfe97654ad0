"""The library by the command line: a model leaves one ledger as a package, and comes into another one, proven."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from ledger.supervision.models.model_file import shipped_model
from tests.testkit.machine import REPOSITORY, typed
from tests.unit.cli.test_supervision import raise_lead
from tests.unit.cli.world import World, running_world

MODEL = "offer-unanswered"
STUDY = (
    "zh: 某县移送的手机两周无人签收，经督促后签收。\nen: A phone waited two weeks at a county, and was accepted then.\n"
)
FIGURES = 'measured_on: "2026-03-01"\ncases: 2000\nplanted: 57\nfound: 56\nfalse_leads: 2\n'
PAGE = (REPOSITORY / "docs" / "library.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def east(world: World) -> World:
    """Fill a ledger with two versions of a model, figures and a case study, all anchored."""
    world.with_analyst()
    files = {"1.yaml": shipped_model(MODEL), "2.yaml": _second(), "study.yaml": STUDY, "figures.yaml": FIGURES}
    for name, text in files.items():
        (world.tally.folder / name).write_text(text, encoding="utf-8")
    world.ok("model", "publish", world.tally.folder / "1.yaml", profile="analyst")
    beside = ("--case-study", world.tally.folder / "study.yaml", "--figures", world.tally.folder / "figures.yaml")
    world.ok("model", "publish", world.tally.folder / "2.yaml", *beside, profile="analyst")
    raise_lead(world, {"case_id": "theft-31", "handover_id": "h1"}, model_id=MODEL, model_version=2)
    world.anchored()
    return world


@pytest.fixture(scope="module")
def west(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run the ledger of another place."""
    with running_world(tmp_path_factory.mktemp("west")) as west_world:
        yield west_world.with_analyst()


@pytest.fixture(scope="module")
def package(east: World) -> Path:
    """Export the newest version as a package, with the trust file of its ledger beside it."""
    file = east.tally.folder / "taken.model.json"
    answer = east.ok("library", "export", MODEL, "-o", file)
    assert (answer["model_id"], answer["version"]) == (MODEL, 2)
    east.ok("log", "trust", "--block-of", file, "--replace", "--output", trust(file))
    return file


def trust(package: Path) -> Path:
    return package.with_name("trust.json")


def _second() -> str:
    first = shipped_model(MODEL)
    second = first.replace("version: 1", "version: 2", 1).replace("maximum: 60", "maximum: 45", 1)
    assert second.count("maximum: 45") == 1
    return second


def test_a_model_is_found_and_shown(east: World) -> None:
    """By words of either language; with its parts, its figures as shares, and how many leads it raised."""
    tally = east.tally
    assert [model["model_id"] for model in tally.ok("library", "search", "两周", "签收", profile="police")] == [MODEL]
    listed = tally("--lang", "zh-CN", "library", "list", profile="police").out
    assert "98.2 %" in listed
    shown = tally("library", "show", MODEL, profile="police").out
    for phrase in ("requested by", "condition:", "case study", "A phone waited", "96.5 %", "leads it must raise"):
        assert phrase in shown
    first = tally("--lang", "zh-CN", "library", "show", f"{MODEL}@1", profile="police").out
    assert "典型案例" not in first
    assert "应生成线索数" in first
    assert tally("library", "show", f"{MODEL}@2", "--definition", profile="police").out == _second()
    assert tally("library", "show", "none", "--definition", profile="police").status == Exit.REFUSED


def test_versions_are_compared(east: World, tmp_path: Path) -> None:
    """On the service, with a file that is being written, and by what they find now."""
    tally = east.tally
    comparison = tally.ok("library", "compare", f"{MODEL}@1", MODEL, "--run", profile="auditor")
    (changed,) = [difference for difference in comparison["differences"] if difference["field"] != "version"]
    assert (changed["field"], changed["second"]) == ("parameters.days.maximum", "45")
    assert set(comparison["runs"]) == {"only_before", "only_after", "in_both"}
    draft = tmp_path / "draft.yaml"
    draft.write_text(_second().replace("condition:\n", "condition:\n  # mine\n", 1), encoding="utf-8")
    shown = tally("library", "compare", MODEL, draft, profile="auditor").out
    assert "+  # mine" in shown
    assert "2026-03-01" in shown
    assert tally("library", "compare", f"{MODEL}@x", draft, profile="auditor").status == Exit.USAGE


def test_adopters_are_shown_with_what_became_of_their_leads(east: World) -> None:
    """For a procuratorate; the police see who runs the model, and no more."""
    (row,) = east.ok("library", "adopters", MODEL, profile="auditor")["adopters"]
    assert (row["agency"], row["leads"]["by_status"]) == ("procuratorate-east", {"raised": 1})
    assert "raised: 1" in east.run("library", "adopters", MODEL, profile="auditor").out
    (row,) = east.ok("library", "adopters", MODEL)["adopters"]
    assert row["leads"] is None


def test_a_package_is_verified_offline(package: Path, tmp_path: Path) -> None:
    """By its ledger's trust file, without any profile; one letter changed is tampered with, in words and exit code."""
    from tests.testkit.tally import Tally

    alone = Tally(tmp_path)
    report = alone.ok("library", "verify", package, "--trust", trust(package))
    assert (report["verdict"], report["usable"]) == ("intact", True)
    assert [step["number"] for step in report["steps"]] == list(range(1, 14))
    out = alone("--lang", "zh-CN", "library", "verify", package, "--trust", trust(package)).out
    assert "未经改动" in out
    spoiled = tmp_path / "spoiled.json"
    spoiled.write_bytes(package.read_bytes().replace("手机".encode(), "手表".encode()))
    done = alone("library", "verify", spoiled, "--trust", trust(package))
    assert done.status == Exit.REFUSED
    assert "tampered" in done.out
    assert "not to be taken over" in done.out
    assert "no trust file" in alone("library", "verify", package).err
    assert "A phone waited" in alone("library", "show", package).out


@pytest.mark.extended
def test_another_ledger_takes_the_model_over(west: World, package: Path, tmp_path: Path) -> None:
    """Verified first; then published with its origin and adopted in bounds; once, or under another id; then run."""
    tally = west.tally
    asked = ("library", "import", package, "--trust", trust(package))
    assert tally("library", "import", package, profile="analyst").status != Exit.OK, "not against a trust file of ours"
    spoiled = tmp_path / "spoiled.json"
    spoiled.write_bytes(package.read_bytes().replace("手机".encode(), "手表".encode()))
    assert "tampered" in tally("library", "import", spoiled, "--trust", trust(package), profile="analyst").err
    assert tally(*asked, "--set", "days=9999", profile="analyst").status == Exit.USAGE
    assert tally.ok("library", "list", profile="analyst") == []
    answer = tally.ok(*asked, "--set", "days=21", "--note", "for our city", profile="analyst")
    assert (answer["version"], set(answer)) == (1, {"model_id", "version", "published", "adopted"})
    (line,) = tally.ok("library", "list", profile="analyst")
    assert (line["origin"]["model_id"], line["origin"]["version"], line["has_case_study"]) == (MODEL, 2, True)
    (adopter,) = tally.ok("library", "adopters", MODEL, profile="analyst")["adopters"]
    assert adopter["parameters"][0]["value"] == "21"
    tally.refuses(Exit.REFUSED, "taken over", *asked, profile="analyst")
    adopted = tally.ok(*asked, "--as", "from-the-east", "--without-case-study", profile="analyst")
    assert set(adopted) == {"model_id", "version", "published"}
    shown = tally("library", "show", "from-the-east", profile="analyst").out
    assert "from the ledger" in shown
    assert "case study" not in shown
    same = tally.ok("library", "compare", MODEL, package, profile="analyst")
    assert [difference["field"] for difference in same["differences"]] == ["version"]
    taken = tmp_path / "taken.yaml"
    taken.write_text(tally("library", "show", "from-the-east", "--definition", profile="analyst").out, encoding="utf-8")
    assert all(line["passed"] for line in tally.ok("model", "test", taken))
    assert tally.ok("model", "run", taken, profile="auditor")["model_id"] == "from-the-east"


def test_a_package_of_the_own_ledger_is_adopted(east: World, package: Path) -> None:
    """Not published a second time; and under its own id alone."""
    asked = ("library", "import", package, "--trust", trust(package))
    answer = east.ok(*asked, "--set", "days=30", profile="analyst")
    assert set(answer) == {"model_id", "version", "adopted"}
    assert east.run(*asked, "--as", "mine", profile="analyst").status == Exit.USAGE
    assert "days = 30" in east.run("library", "adopters", MODEL, profile="auditor").out


def test_the_library_is_shown_to_society(east: World, tmp_path: Path) -> None:
    """As a folder of pages, the same again and again; into an empty folder or over an earlier export alone."""
    folder = tmp_path / "pages"
    answer = east.ok("library", "export", "--public", folder, profile="analyst")
    exported = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert answer["pages"] == len(exported) == 2 + 2 * (answer["models"] + 1)
    assert "某县移送的手机两周无人签收" in exported["zh-CN/index.html"].decode()
    assert "A phone waited two weeks" in exported[f"en/{MODEL}.html"].decode()
    for _ in range(10):  # the service records leads and seals of its own accord, and comes to rest
        (folder / "en" / "retired.html").write_text("a model that is retired since", encoding="utf-8")
        again = east.ok("library", "export", "--public", folder, profile="analyst")
        pages = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        if again["size"] == answer["size"]:
            break
        answer, exported = again, pages
    assert again["size"] == answer["size"], "nothing was recorded between the two"
    assert pages == exported
    (folder / "letter.txt").write_text("mine", encoding="utf-8")
    east.refuses(Exit.REFUSED, "letter.txt", "library", "export", "--public", folder, profile="analyst")
    second_folder = tmp_path / "other"
    second_folder.mkdir()
    (second_folder / "index.html").write_text("mine", encoding="utf-8")
    assert east.run("library", "export", "--public", second_folder, profile="analyst").status == Exit.REFUSED
    assert east.run("library", "export", "--public", tmp_path / "x").status == Exit.REFUSED
    assert east.run("library", "export", profile="analyst").status == Exit.USAGE
    assert east.run("library", "export", MODEL, "--public", folder, profile="analyst").status == Exit.USAGE


def test_what_a_model_rests_on_is_read_before_society_is_told(east: World, tmp_path: Path) -> None:
    """A number of an interpretation, which is like that of a case, may stand in the legal basis; a name may not."""
    own = "by-law"
    basis = "最高人民法院关于适用刑事诉讼法的解释第二百一十九条"
    first = shipped_model(MODEL).replace(f"model: {MODEL}", f"model: {own}")
    assert basis in first
    first = first.replace(basis, "法释〔2021〕1号第二百一十九条")
    second = first.replace("version: 1", "version: 2", 1).replace(
        "法释〔2021〕1号", "法释〔2021〕1号，见被告人张三一案，"
    )
    file = tmp_path / f"{own}.yaml"
    for text, status in ((first, Exit.OK), (second, Exit.REFUSED)):
        file.write_text(text, encoding="utf-8")
        east.ok("model", "publish", file, profile="analyst")
        done = east.run("library", "export", "--public", tmp_path / "pages", profile="analyst")
        assert done.status == status, done.err
    assert f"{own}, legal_basis[1].zh: character " in done.err
    assert "'被告人张三'" in done.err
    east.ok("model", "retire", own, "--ground", "of this test", profile="analyst")


@pytest.mark.extended
def test_what_the_page_tells_to_type_works(east: World, west: World, package: Path, tmp_path: Path) -> None:
    """One command after the other: the first ledger's profiles, then those of the other place."""
    blocks = re.findall(r"^```bash (here|there)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "third-return.yaml").write_text(shipped_model("third-return"), encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "figures.yaml").write_text(FIGURES, encoding="utf-8")
    for place, commands in blocks:
        world = {"here": east, "there": west}[place]
        typed([commands], tmp_path, world.tally.environment())
