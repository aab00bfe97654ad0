"""Files that commands write: one that is there is never lost by a slip, and none is there in part."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import click
import pytest

import ledger.cli
from ledger.cli.command import OutputFile
from ledger.cli.errors import Exit
from ledger.cli.files import opened_output
from ledger.cli.main import tally as group
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput
from tests.testkit.tally import TALLY
from tests.unit.cli.world import World, offer, open_case

OTHER = b"what somebody else has written"
NEVER_REPLACED = {"pseudonym key --output", "pseudonym ask --secret"}  # secrets: ledger.config.secret_files
# The words of each command, with what a test makes in braces; and whether it can write text to standard output.
RUN = {
    "agency prepare --output": ("psb-x --kind police --jurisdiction 31/01 --name X --admin police", True),
    "audit --pdf": ("{case}", False),
    "case archive --output": ("{case}", False),
    "case export --output": ("{case} --format csv", True),
    "correlate --graphml": ("case:{case}", False),
    "dataset pseudonyms --output": ("{list} --identity number --identity-key {key}", True),
    "disclosure make --output": ("{case} --recipient counsel", False),
    "event sign --output": ("{draft}", True),
    "item labels --output": ("{case}", False),
    "key request --output": ("", True),
    "log proof --output": ("0", True),
    "log trust --output": ("", True),
    "model new --output": ("own-model", True),
    "paper --output": ("{offer}", False),
    "proof absence --output": ("--case case-of-nobody", True),
    "proof certificate --output": ("{bundle} --trust {trust}", False),
    "proof get --output": ("--case {case}", True),
    "pseudonym answer --output": ("{request} --key {secret_key}", True),
    "pseudonym own --output": ("{list} --identity number --key {secret_key}", True),
    "registry approve --output": ("{proposal}", True),
    "registry propose quorum --output": ("1", True),
    "report --output": ("--from 2026-01-01 --until 2099-12-31", True),
}
BY = {"audit": "auditor", "correlate": "auditor", "registry": "admin-police-east", "report": "auditor"}
# Written by the same functions; what they write takes more than two agencies and a case.
NOT_RUN = {
    *("audit --keep", "import run --report", "import check --rejects", "item copy --output", "item get --output"),
    *("lead get --output", "library export --output", "procedure adopt --output", "stocktake paper --output"),
    *("trust cosign --output", "trust renew --output", "pseudonym finish --output", "pseudonym make --output"),
    *(
        f"registry propose {change} --output"
        for change in ("agency", "no-witness", "procedure", "submitter", "witness")
    ),
    "pseudonym ask --output",
}


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its words."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}".strip())


WRITTEN = {
    f"{path} {parameter.opts[0]}": parameter
    for path, command in commands(group)
    for parameter in command.params
    if isinstance(parameter.type, OutputFile)
}


def test_every_option_that_names_a_file_to_write_is_of_one_kind() -> None:
    """``--output`` is always that, and each but those of secrets has ``--replace`` beside it, in the same words."""
    assert RUN.keys() | NOT_RUN | NEVER_REPLACED == WRITTEN.keys()
    texts = set()
    for path, command in commands(group):
        options = {parameter.opts[0]: parameter for parameter in command.params if isinstance(parameter, click.Option)}
        written = {f"{path} {name}" for name in options} & WRITTEN.keys()
        assert written or "--output" not in options, path
        if written - NEVER_REPLACED:
            texts.add(options["--replace"].help)
    assert len(texts) == 1


def test_no_command_writes_a_file_in_another_way() -> None:
    """What they write goes through ``ledger.cli.files``, or is a secret."""
    writing = re.compile(r"\.write_bytes|(?<!super\(\))\.write_text|open\([^)]*[\"'][wxa]b?[\"']")
    writers = {
        f"{file.name}: {line.strip()}"
        for file in Path(ledger.cli.__file__).parent.rglob("*.py")
        if file.name != "files.py"
        for line in file.read_text(encoding="utf-8").splitlines()
        if writing.search(line) and not line.strip().startswith("def ")
    }
    # A folder that is not there yet gets its name when it is whole; a lock has no content.
    assert writers == {
        "procedure.py: (staged / name).write_bytes(data)",
        'listening.py: with file.open("wb") as lock:',
    }


@pytest.fixture(scope="module")
def subjects(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what the commands are about, by its name in ``RUN``."""
    folder = tmp_path_factory.mktemp("made")
    case_id = open_case(world, items=1)
    offer(world, case_id, "--all-items")
    events = world.ok("event", "list", case_id)
    offered = next(event["event_id"] for event in events if event["event_type"] == "handover.offered")
    files = {
        name: str(folder / name) for name in ("bundle", "request", "secret_key", "proposal", "list", "key", "draft")
    }
    world.ok("proof", "get", "--case", case_id, "-o", files["bundle"])
    Path(files["list"]).write_text("number,paid\n77,1\n", encoding="utf-8")
    Path(files["list"]).rename(folder / "list.csv")
    files["list"] = str(folder / "list.csv")
    world.ok("pseudonym", "key", "-o", files["secret_key"])
    asked = ("--identity", "number", "--secret", folder / "secret", "-o", files["request"])
    world.ok("pseudonym", "ask", files["list"], *asked)
    world.ok("import", "key", "--identity-key", files["key"])
    world.ok("registry", "propose", "quorum", "1", "-o", files["proposal"], profile="admin-police-east")
    draft = {"event_type": "case.numbered", "stream": {"kind": "case", "id": case_id}, "body": {"case_number": "B-2"}}
    Path(files["draft"]).write_text(json.dumps(draft), encoding="utf-8")
    return files | {"case": case_id, "offer": offered, "trust": str(world.data / "trust.json")}


@pytest.mark.parametrize("name", RUN)
def test_a_file_that_is_there_stays(
    world: World, subjects: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is replaced on request alone. What is made again is the same or refused; standard output has it, too."""
    monkeypatch.chdir(tmp_path)
    words, to_stdout = RUN[name]
    path, _, option = name.rpartition(" ")
    profile = BY.get(path.split()[0], "police")
    command = [*path.split(), *words.format(**subjects).split()]
    file = tmp_path / ("report.json" if path == "report" else "file")
    file.write_bytes(OTHER)
    refused = world.run(*command, option, file, profile=profile)
    assert (refused.status, "is there already" in refused.err, file.read_bytes()) == (Exit.USAGE, True, OTHER)
    done = world.run(*command, option, file, "--replace", profile=profile)
    assert done.status in (Exit.OK, Exit.NOT_YET_ANCHORED), done.err
    assert (data := file.read_bytes()) not in (OTHER, b"")
    again = world.run(*command, option, file, profile=profile)
    assert (again.status in (Exit.OK, Exit.NOT_YET_ANCHORED, Exit.USAGE), file.read_bytes()) == (True, data)
    if to_stdout or not WRITTEN[name].type.is_result:
        piped = world.run("--json", *command, option, "-", profile=profile)
        is_refused = piped.status == Exit.USAGE and "expected the name of a file" in piped.err
        assert (bool(piped.out), is_refused) == (to_stdout, not to_stdout), piped.err
    assert list(tmp_path.iterdir()) == [file]


def test_one_paper_goes_into_a_folder_under_its_own_name(
    world: World, subjects: dict[str, str], tmp_path: Path
) -> None:
    """As every paper of a case does: the option is the same."""
    paper = tmp_path / f"{subjects['offer']}.pdf"
    assert world.ok("paper", subjects["offer"], "-o", tmp_path) == {"file": str(paper)}
    assert paper.read_bytes().startswith(b"%PDF")


def session(*, replaces: bool = False) -> Session:
    own = Session()
    own.replaces = replaces
    return own


def test_a_file_gets_its_place_as_a_whole(tmp_path: Path) -> None:
    """Of what breaks off nothing is there; the same content again is no matter; what was private stays private."""
    file = tmp_path / "proof.json"
    with pytest.raises(ZeroDivisionError), opened_output(session(), file) as opened:
        opened.write(b"half" * (1 // 0))
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        with opened_output(session(), file) as opened:
            opened.write(b"whole")
    file.chmod(0o600)
    with opened_output(session(replaces=True), file) as opened:
        opened.write(b"other")
        assert file.read_bytes() == b"whole"
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode), len(list(tmp_path.iterdir()))) == (b"other", 0o600, 1)
    with opened_output(session(), tmp_path / "secret", private=True):
        pass
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(MalformedInput, match="is there already"), opened_output(session(), tmp_path / "link"):
        pass
    with pytest.raises(MalformedInput, match="no folder"), opened_output(session(), tmp_path / "no" / "file"):
        pass


def test_a_link_is_written_through(tmp_path: Path) -> None:
    """Whoever publishes a file under another name by a link has the new one there, and the link is still one."""
    file, link = tmp_path / "published", tmp_path / "here" / "latest"
    link.parent.mkdir()
    link.symlink_to("../published")
    file.write_bytes(OTHER)
    with pytest.raises(MalformedInput, match="is there already"), opened_output(session(), link) as opened:
        opened.write(b"new")
    with opened_output(session(replaces=True), link) as opened:
        opened.write(b"new")
    assert (link.is_symlink(), file.read_bytes(), len(list(tmp_path.rglob("*")))) == (True, b"new", 3)


def test_the_name_of_standard_output_is_standard_output(world: World, tmp_path: Path) -> None:
    """Also where that goes into a file: what is in the file stays before, and what is said beside does not follow."""
    file, name = tmp_path / "out", tmp_path / "link"
    name.symlink_to("/proc/self/fd/1")  # as /dev/stdout is, which a test must not put at risk with --replace
    command = [TALLY, "--profile", "police", "log", "trust", "-o"]
    environment = os.environ | world.tally.environment()
    trust = subprocess.run([*command, "-"], env=environment, stdout=subprocess.PIPE, check=True).stdout
    for written in (["/dev/stdout"], [name], [name, "--replace"]):
        file.write_bytes(OTHER)
        with file.open("ab") as out:
            subprocess.run([*command, *written], env=environment, stdout=out, check=True)
        assert (file.read_bytes(), name.is_symlink()) == (OTHER + trust, True)
    copying = [*command[:3], "item", "copy", "case-1", "item-1", "--for", "the lab", "-o", "/dev/stdout"]
    with file.open("wb") as out:
        refused = subprocess.run(copying, env=environment, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (refused.returncode, b"expected the name of a file" in refused.stderr) == (Exit.USAGE, True)


def test_a_file_system_without_links_takes_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a memory stick, on which a bundle is handed over: what is there stays there as well."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "proof.json"
    with opened_output(session(), file) as opened:
        opened.write(b"first")
    with pytest.raises(MalformedInput, match="is there already"), opened_output(session(), file) as opened:
        opened.write(b"second")
    assert (file.read_bytes(), len(list(tmp_path.iterdir()))) == (b"first", 1)


def test_a_pipe_gets_what_a_file_would(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Also standard output, and of what breaks off nothing."""
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with opened_output(session(), pipe) as opened:
        opened.write(b"whole")
    reader.join(10)
    with pytest.raises(ZeroDivisionError), opened_output(session(), Path("-")) as opened:
        opened.write(b"half" * (1 // 0))
    with opened_output(session(), Path("-")) as opened:
        opened.write(b"%PDF\xff")
    assert (got, capfdbinary.readouterr().out) == ([b"whole"], b"%PDF\xff")
