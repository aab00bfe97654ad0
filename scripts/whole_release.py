"""Refuse to build a release that lacks what ``scripts/setup`` makes: it would start, and fail on the first page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MADE = ("api/console/vendor/htmx.min.js", "api/console/vendor/verify.js", "api/console/vendor/zxing_reader.wasm")


class WholeRelease(BuildHookInterface[Any]):
    """Called by hatchling before it builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Raise RuntimeError if a file lacks, unless the clone itself is installed ("editable")."""
        root = Path(self.root)
        catalogues = [file.with_suffix(".mo") for file in (root / "ledger" / "i18n" / "locale").rglob("*.po")]
        missing = [file for file in (*(root / path for path in MADE), *catalogues) if not file.exists()]
        if missing and version != "editable":
            raise RuntimeError(f"{missing[0].relative_to(root)} is not there: run scripts/setup, then build again")
