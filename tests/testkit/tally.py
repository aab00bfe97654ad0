"""The command line as its users run it: arguments in; exit code, standard output and standard error out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from ledger.cli.errors import Exit
from ledger.cli.main import run
from ledger.config import keys
from ledger.config.secret_files import write_secret
from ledger.core.errors import MalformedInput
from ledger.core.trust.trust_file import encode_trust
from ledger.core.verification.bundle import Bundle, decode_bundle, encode_bundle
from tests.testkit import bundles
from tests.testkit.builders import POLICE, founder
from tests.testkit.time_zones import utc_times

keys._scrypt = lru_cache(500)(keys._scrypt)  # each command opens its key again, with the same passphrase

LITTLE_WORK = 16  # scrypt N, where light keys have 4096: to derive them would be a fifth of what commands do
TALLY = Path(sys.executable).with_name("tally")
PASSPHRASE = "of the tests"
_QUESTION = re.compile(rb"(?:\[y/N\]|passphrase[^\r\n]*|repeat for confirmation): \Z", re.IGNORECASE)
# Answers in UTC, examples of how a time is typed, the text of a file.
FOR_PROGRAMS = {"--json", "--help", "--definition", "model show"}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Read what it answered with ``--json``."""
        return json.loads(self.out)


class Tally:
    """Runs ``tally`` in this process, with a configuration directory of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = folder / "config"
        self.passphrase_file = folder / "passphrase"
        write_secret(self.passphrase_file, PASSPHRASE.encode() + b"\n", field="passphrase")

    def __call__(self, *arguments: str | Path, profile: str | None = None, agrees: bool = True) -> Done:
        chosen, agreeing = ["--profile", profile] if profile else [], ["--yes"] if agrees and arguments else []
        with alone(), CliRunner().isolation(env=self.environment()) as (out, err, _), little_work():
            status = run([*chosen, *agreeing, *map(str, arguments)])
            done = Done(status, out.getvalue().decode(), err.getvalue().decode())
        words = [*map(str, arguments)]
        if not FOR_PROGRAMS & {*words, " ".join(words[:2])}:
            assert utc_times(done.out + done.err) == [], done.out + done.err
        return done

    def ok(self, *arguments: str | Path, profile: str | None = None) -> Any:
        """Give the JSON of a command that must succeed."""
        done = self("--json", *arguments, profile=profile)
        assert done.status == 0, done.err or done.out
        return done.json()

    def refuses(self, status: Exit, words: str, *arguments: str | Path, profile: str | None = None) -> Done:
        """Check that a command ends with this exit code, and with these words on standard error."""
        done = self(*arguments, profile=profile)
        assert (done.status, words in done.err) == (status, True), done.err or done.out
        return done

    def at_terminal(
        self, *arguments: str | Path, answers: Sequence[str] = (), pipe_out: bool = False, **environment: str
    ) -> Done:
        """Run as a process at a wide terminal, with an answer to each prompt; what is shown there is the ``err``.

        ``out`` is what goes elsewhere where standard output is piped.
        """
        ours, theirs = os.openpty()
        around = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "300", **self.environment(), **environment}
        with subprocess.Popen(
            [TALLY, *arguments],
            stdin=theirs,
            stdout=subprocess.PIPE if pipe_out else theirs,
            stderr=theirs,
            env=around,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            shown, left = b"", list(answers)
            with suppress(OSError):  # how the system says that the other end is closed
                while data := os.read(ours, 65536):
                    shown += data
                    # What is shown may come in any pieces: one may end within a line, or within the question.
                    if left and _QUESTION.search(shown):
                        os.write(ours, f"{left.pop(0)}\n".encode())
            out = process.stdout.read() if process.stdout else b""
        os.close(ours)
        return Done(process.returncode, out.decode(), shown.decode())

    def environment(self) -> dict[str, str]:
        """Give the variables that a command finds beside those of this machine."""
        # The zone is that of the procedure that most tests use; offline a command would show UTC.
        zone = {"TALLYSTICK_TIME_ZONE": "Asia/Shanghai", "TZ": "UTC"}
        return {"TALLYSTICK_CONFIG_DIR": str(self.config), "LANG": "en_GB.UTF-8", **zone}

    def found(self, data: Path, *words: str | Path, **fields: Any) -> Path:
        """Found a development ledger of the police in ``data``, or by these fields of a founding; return ``data``."""
        file = self.folder / "founding.json"
        file.write_text(json.dumps({"agencies": [founder(POLICE)], "development": True} | fields), encoding="utf-8")
        options = words or ("--passphrase-file", self.passphrase_file)
        self.ok("init", "--light", "--procedure", "cn-criminal", "--founding", file, "--data-dir", data, *options)
        return data

    def new_key(self, name: str) -> str:
        """Make a light key under the tests' passphrase, and give its id."""
        key = self.ok("key", "new", name, "--light", "--passphrase-file", self.passphrase_file)
        key_id: str = key["key_id"]
        return key_id

    def off_the_line(self, text: str) -> str:
        """``@FILE`` of a file that holds the text, which is confidential."""
        file = self.folder / f"text-{len(list(self.folder.glob('text-*')))}"
        write_secret(file, f"{text}\n".encode(), field="text")
        return f"@{file}"

    def add_profile(self, name: str, url: str, agency: str, officer: str, key: str) -> None:
        """Add a profile whose passphrase is known."""
        who = ("--agency", agency, "--officer", officer, "--key", key)
        self.ok("profile", "add", name, "--url", url, *who, "--passphrase-file", self.passphrase_file)


@contextmanager
def little_work() -> Iterator[None]:
    """Make light keys lighter."""
    before, keys.LIGHT_WORK = keys.LIGHT_WORK, LITTLE_WORK
    try:
        yield
    finally:
        keys.LIGHT_WORK = before


@contextmanager
def alone() -> Iterator[None]:
    """Without what this machine's environment says to ``tally``."""
    before: Mapping[str, str] = {name: value for name, value in os.environ.items() if name.startswith("TALLYSTICK_")}
    for name in before:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


def write_bundle(folder: Path, log: bundles.Log, index: int, **changes: Any) -> Path:
    """Write the bundle of a log's entry as a file."""
    path = folder / "bundle.json"
    path.write_bytes(encode_bundle(log.bundle(index, **changes)))
    return path


def write_trust(folder: Path, **changes: Any) -> Path:
    """Write the trust file of the builders' logs, which names the blocks that the bundles in the folder end in."""
    path, ending = folder / "trust.json", list[Bundle]()
    for file in sorted(folder.glob("*.json")):
        with suppress(MalformedInput):
            ending.append(decode_bundle(file.read_bytes()))
    path.write_bytes(encode_trust(bundles.naming(*ending, **changes)))
    return path
