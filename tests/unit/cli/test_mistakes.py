"""What a newcomer gets wrong, and the words that get him on."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.testkit.machine import REPOSITORY
from tests.testkit.tally import Tally

EXAMPLES = REPOSITORY / "docs" / "examples"
BUNDLE, TRUST = EXAMPLES / "bundle.json", EXAMPLES / "trust.json"
TO_PSB = ("profile", "add", "p", "--url", "http://127.0.0.1:9")
WRONG: list[tuple[tuple[str | Path, ...], str]] = [
    (
        ("proof", "check", TRUST, "--trust", BUNDLE),
        "--trust: expected a trust file, not one of the format tallystick/bun",
    ),
    (
        ("proof", "check", TRUST, "--trust", TRUST),
        "FILE: expected a bundle file, not one of the format tallystick/trust",
    ),
    ((*TO_PSB, "--agency", "PSB", "--officer", "p-1", "--key", "k"), "--agency: Expected a slug"),
    (("init", "--founding", EXAMPLES / "../gas.md"), "is not JSON: "),
    (("init", "--founding", BUNDLE), "docs/tutorial.md begins with a founding that is valid."),
    (("init", "--development", "--keep-passphrase", "--data-dir", "/proc/none"), "Is the path right"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=lambda part: str(part)[:40])
def test_a_mistake_is_told_with_what_was_expected(tally: Tally, words: tuple[str | Path, ...], message: str) -> None:
    """It is bad usage, in one line that says what was expected or where to look."""
    done = tally(*words)
    assert (done.status, message in done.err, done.err.count("\n")) == (2, True, 1), done.err


def test_a_setting_that_is_none_is_told_with_the_one_that_is_like_it(tally: Tally, tmp_path: Path) -> None:
    """A misspelled line of settings.env names the file and the nearest setting."""
    (tmp_path / "settings.env").write_text("TALLYSTICK_PROT=1\n")
    done = tally("serve", "--data-dir", tmp_path)
    assert (done.status, "settings.env. Did you mean port?" in done.err) == (2, True), done.err


def test_a_full_disk_is_no_defect(tally: Tally, tmp_path: Path) -> None:
    """Where a file finds no room, the line says that it is cut short, and no trace of the program is shown."""
    tally.ok("key", "list")
    with files_of_at_most(512):
        done = tally("proof", "certificate", BUNDLE, "--trust", TRUST, "--output", tmp_path / "certificate.pdf")
    assert done.status == 2, done.err
    assert "what was being written is cut short. Make room or name another place" in done.err


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let nothing write files of more bytes than ``size``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
