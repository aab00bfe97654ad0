"""Templates: compiled once for all starts of a service, from the text that they have now."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import BinaryIO

import pytest
from jinja2 import BytecodeCache, Environment, FileSystemLoader
from jinja2.bccache import Bucket

from api.console.shared.rendering import CONSOLE, CompiledTemplates, environment


class Compiling(Environment):
    """Counts what it compiles."""

    count = 0

    def _generate(self, *args: object, **kwargs: object) -> str:
        self.count += 1
        return super()._generate(*args, **kwargs)  # type: ignore[arg-type]


def started(folder: Path, language: str = "en") -> Compiling:
    """Return the templates of a service that has just started."""
    return Compiling(loader=FileSystemLoader(folder), bytecode_cache=CompiledTemplates(language))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a template; this process keeps compiled modules."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "page.html").write_text("first {{ name }}")
    return tmp_path


def test_a_template_is_compiled_once(folder: Path) -> None:
    """For each language; and again if its text changes."""
    for language, compiled in (("en", 1), ("en", 0), ("zh-CN", 1), ("zh-CN", 0)):
        service = started(folder, language)
        assert service.get_template("page.html").render(name="case") == "first case"
        assert service.count == compiled
    (folder / "page.html").write_text("second {{ name }}")
    assert started(folder).get_template("page.html").render(name="case") == "second case"


def test_what_is_kept_is_whole_or_not_there(folder: Path) -> None:
    """What somebody spoiled is compiled again, and no file is left over beside those that are kept."""
    started(folder).get_template("page.html")
    (kept,) = (folder / "__pycache__").iterdir()
    for spoiled in (b"", kept.read_bytes()[:40], b"no templates"):
        kept.write_bytes(spoiled)
        service = started(folder)
        assert service.get_template("page.html").render(name="case") == "first case"
        assert service.count == 1
    assert [*(folder / "__pycache__").iterdir()] == [kept]


def test_nothing_is_kept_where_python_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither if the process was told so, nor where no file can be made."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    started(folder).get_template("page.html")
    assert not (folder / "__pycache__").exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (folder / "__pycache__").write_text("not a folder")
    assert started(folder).get_template("page.html").render(name="case") == "first case"


def test_a_full_disk_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is shown all the same."""

    def cut_short(_bucket: Bucket, file: BinaryIO) -> None:
        file.write(b"some")
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(Bucket, "write_bytecode", cut_short)
    assert started(folder).get_template("page.html").render(name="case") == "first case"
    assert [*(folder / "__pycache__").iterdir()] == []


def test_pages_are_kept_beside_the_compiled_modules() -> None:
    """In the folder of the console, apart from its modules."""
    kept = environment("en").bytecode_cache
    assert isinstance(kept, BytecodeCache)
    path = Path(kept.get_cache_key("cases/case.html", str(CONSOLE / "cases/case.html")))
    assert path.parent == CONSOLE / "cases/__pycache__"
    assert path.name == f"case.{sys.implementation.cache_tag}.opt-enRightToLeft.pyc"
