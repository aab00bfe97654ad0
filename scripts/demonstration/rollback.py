"""Act six: whoever writes to the database puts back an older copy; only a checkpoint that he cannot reach shows it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx

from scripts.demonstration.stage import Stage, StepFailed

UNVERIFIABLE, TAMPERED = 3, 1  # exit codes
DATABASES = ("tallystick.db", "tallystick-access.db")


def keep_copy(stage: Stage) -> None:
    """What a database administrator has any day: a copy of both databases as they now are."""
    folder = _copy_in(stage)
    folder.mkdir()
    for name in DATABASES:
        with closing(sqlite3.connect(stage.data / name)) as live, closing(sqlite3.connect(folder / name)) as copy:
            live.backup(copy)


def keep_checkpoint(stage: Stage) -> None:
    """What anybody can keep elsewhere: the log's newest tree head."""
    _checkpoint_in(stage).write_text(httpx.get(f"{stage.url}/checkpoint", timeout=30, trust_env=False).text)


def put_back(stage: Stage) -> None:
    """The copy takes the place of the databases, without any key; the service is off."""
    stage.act("An older copy is put back")
    data = stage.directory / "put-back"
    shutil.copytree(stage.data, data, ignore=shutil.ignore_patterns("*.db*", "*.lock"))
    for name in DATABASES:
        shutil.copyfile(_copy_in(stage) / name, data / name)
    audit = ("audit", "--data-dir", str(data), "--database-only")
    report = stage.tally(*audit, expect=UNVERIFIABLE)
    if report["findings"]:
        raise StepFailed(f"the copy should be sound in itself: {report['findings'][:3]}")
    stage.held("the database alone contradicts nothing", f"{report['size']} entries, and no key was needed")
    report = stage.tally(*audit, "--checkpoint", str(_checkpoint_in(stage)), expect=TAMPERED)
    finding = report["findings"][0]
    stage.held("a checkpoint that was kept elsewhere shows it", f"{finding['what']}: {finding['found']}")


def _copy_in(stage: Stage) -> Path:
    return stage.directory / "older-copy"


def _checkpoint_in(stage: Stage) -> Path:
    return stage.directory / "kept-checkpoint.txt"
