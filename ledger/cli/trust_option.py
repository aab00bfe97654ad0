"""The option for trust files, for commands that check what they are given."""

from __future__ import annotations

import click

TRUST = click.option(
    "--trust", "trust_files", type=click.File("rb"), multiple=True, help="Trust file [that of the profile]."
)
