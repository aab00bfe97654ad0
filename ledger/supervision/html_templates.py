"""Templates of HTML pages that stand beside the modules that fill them."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from ledger.i18n.html_bidi import RightToLeft


@cache
def templates_of(package: str) -> Environment:
    """Return the templates in a package's own folder; values put into them are escaped."""
    loader = PackageLoader(package, ".")
    return Environment(
        loader=loader,
        autoescape=True,
        extensions=[RightToLeft],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
