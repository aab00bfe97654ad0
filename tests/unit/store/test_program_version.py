"""The version of the program tells one rule from another."""

from __future__ import annotations

import zipfile
from importlib.metadata import version
from pathlib import Path
from shutil import copytree, make_archive

from ledger.store.program_version import program_version, sources_digest
from tests.testkit.machine import REPOSITORY


def test_a_program_with_another_rule_has_another_version(tmp_path: Path) -> None:
    """Each module of the program counts, by its bytes and its name; what Python compiles of it does not.

    What is installed from an archive has the version of the sources that went into it.
    """
    copytree(REPOSITORY / "ledger", tmp_path / "ledger")

    def digest_of(root: zipfile.Path | Path) -> str:
        return sources_digest(root / "ledger")

    own = digest_of(tmp_path)
    assert program_version() == f"{version('tallystick')}+{own}"
    packed = Path(make_archive(str(tmp_path / "packed"), "zip", tmp_path, "ledger"))
    assert digest_of(zipfile.Path(packed)) == own
    cache = tmp_path / "ledger/core/custody/__pycache__"
    cache.mkdir(exist_ok=True)
    (cache / "fold.py").write_bytes(b"0")
    assert digest_of(tmp_path) == own
    file = tmp_path / "ledger/core/custody/fold.py"
    file.write_bytes(file.read_bytes().replace(b"+ 1", b"+ 2", 1) + b"\n")
    changed = digest_of(tmp_path)
    file.rename(file.with_name("folds.py"))
    assert len({own, changed, digest_of(tmp_path)}) == 3
