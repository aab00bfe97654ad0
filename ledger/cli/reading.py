"""What reads of cases may say of themselves."""

from __future__ import annotations

import click

GROUND = click.option(
    "--ground", help="Why you read confidential sections of a case that you do not hold now; it is recorded."
)
