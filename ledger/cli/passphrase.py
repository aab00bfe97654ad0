"""Passphrases: prompted for, read from a file, or taken from an environment variable. Never from the command line."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from ledger.config.secret_files import read_secret, write_secret
from ledger.core.errors import MalformedInput


class Passphrase(NamedTuple):
    """Where a passphrase comes from: a file of mode 0600, an environment variable, or else the terminal.

    ``option`` is the common beginning of the options that name the file and the variable.
    """

    file: Path | None = None
    variable: str | None = None
    option: str = "--passphrase"

    @property
    def is_named(self) -> bool:
        return self.file is not None or self.variable is not None

    def read(self, *, of: str, new: bool = False) -> str:
        """Read the passphrase of ``of``; a ``new`` one is prompted for twice. Raises MalformedInput, SecretRefused."""
        if self.file is not None and self.variable is not None:
            field = f"{self.option}-file, {self.option}-env"
            raise MalformedInput("expected one of the two, not both", field=field)
        if self.file is not None:
            text = read_secret(self.file, field=f"{self.option}-file").decode(errors="replace")
            return _not_empty(text.rstrip("\r\n"), f"{self.option}-file")
        if self.variable is not None:
            return _not_empty(os.environ.get(self.variable, ""), f"{self.option}-env {self.variable}")
        return self._asked(of, new=new)

    def _asked(self, of: str, *, new: bool) -> str:
        if not sys.stdin.isatty():
            raise MalformedInput(
                f"the passphrase of {of} is not given, and there is no terminal to ask at",
                field=f"{self.option}-file",
                hint=f"Name a file of mode 0600, or a variable with {self.option}-env.",
            )
        prompt = f"{'New passphrase' if new else 'Passphrase'} of {of}"
        answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=new, err=True)
        return answer


def generate_passphrase(file: Path, given: Passphrase) -> str:
    """Make a new passphrase and keep it in ``file``. Raises MalformedInput if one is ``given``."""
    if given.is_named:
        raise MalformedInput("expected no other passphrase", field="--keep-passphrase")
    passphrase = secrets.token_urlsafe(24)
    write_secret(file, passphrase.encode() + b"\n", field="passphrase", replace=True)
    return passphrase


def passphrase_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--passphrase-file`` and ``--passphrase-env``; the command gets both as one ``passphrase``."""

    @wraps(command)
    def run(*given: Any, passphrase_file: Path | None, passphrase_env: str | None, **named: Any) -> Any:
        return command(*given, passphrase=Passphrase(passphrase_file, passphrase_env), **named)

    file = click.option(
        "--passphrase-file", type=click.Path(path_type=Path), help="File of mode 0600 with the key's passphrase."
    )
    variable = click.option("--passphrase-env", metavar="NAME", help="Environment variable with the key's passphrase.")
    return file(variable(run))


def _not_empty(passphrase: str, field: str) -> str:
    if not passphrase:
        raise MalformedInput("expected a passphrase, found nothing", field=field)
    return passphrase
