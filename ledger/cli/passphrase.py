"""Passphrases: prompted for, read from a file, or taken from an environment variable; and how they are changed.

One that is kept beside the keys it opens (``keys/passphrase``) is replaced with them. The new one waits beside it until
every key is under it, so that no moment has a key that nothing opens: cut short, the same command goes on.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ledger.client.profiles import Profile, Profiles
from ledger.config.keys import KeyDirectory, KeyRefused, change_passphrase, opens
from ledger.config.secret_files import read_secret, sync_folder, write_secret
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message

if TYPE_CHECKING:
    from ledger.config.settings import KeyedSettings, Locked


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
        if not sys.stdin.isatty():
            raise MalformedInput(
                "the passphrase of {of} is not given, and there is no terminal to ask at",
                of=of,
                field=f"{self.option}-file",
                hint=Message("Name a file of mode 0600, or a variable with {option}-env.", option=self.option),
            )
        prompt = f"{'New passphrase' if new else 'Passphrase'} of {of}"
        answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=new, err=True)
        return answer


def passphrase_of(profile: Profile) -> Passphrase:
    """Return where a profile has the passphrase of its key."""
    file = Path(profile.passphrase_file) if profile.passphrase_file else None
    return Passphrase(file, profile.passphrase_env)


def read_service_passphrase(
    settings: KeyedSettings, where: Locked, named: Passphrase, *, of: str = "the service's keys", new: bool = False
) -> str:
    """Read the passphrase of a service or witness: as the user names it, else as the settings know it, else asked."""
    if not named.is_named and settings.knows_passphrase(where):
        return settings.passphrase(where)
    return named.read(of=of, new=new)


def new_service_passphrase(file: Path, source: Passphrase, *, keep: bool, of: str) -> str:
    """Return a new passphrase as the user gives it, or else one that is made and kept in ``file``.

    That is of 192 random bits, which nobody guesses: the keys that it opens may be light. Raises MalformedInput.
    """
    if not keep:
        return source.read(of=of, new=True)
    if source.is_named:
        raise MalformedInput("expected no other passphrase", field="--keep-passphrase")
    passphrase = secrets.token_urlsafe(24)
    write_secret(file, passphrase.encode() + b"\n", field="passphrase", replace=True)
    return passphrase


KEEP_PASSPHRASE = click.option(
    "--keep-passphrase", is_flag=True, help="Mint the passphrase and keep it beside the keys it opens."
)


def passphrase_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--passphrase-file`` and ``--passphrase-env``; the command gets both as one ``passphrase``."""

    @wraps(command)
    def run(*args: Any, passphrase_file: Path | None, passphrase_env: str | None, **kwargs: Any) -> Any:
        return command(*args, passphrase=Passphrase(passphrase_file, passphrase_env), **kwargs)

    file = click.option(
        "--passphrase-file", type=click.Path(path_type=Path), help="File of mode 0600 with the key's passphrase."
    )
    variable = click.option("--passphrase-env", metavar="NAME", help="Environment variable with the key's passphrase.")
    return file(variable(run))


def _not_empty(passphrase: str, field: str) -> str:
    if not passphrase:
        raise MalformedInput("expected a passphrase, found nothing", field=field)
    return passphrase


@dataclass(frozen=True)
class ChangedPassphrase:
    """The keys that the new passphrase opens, and the file beside them that holds it, if it is kept there."""

    keys: tuple[Path, ...]
    kept: Path | None

    def outdated(self, profiles: Profiles, current: Passphrase, new: Passphrase) -> Iterator[Path]:
        """Yield the files that are known to hold the passphrase of before."""
        opened = {path.resolve() for path in self.keys}
        files = {current.file} if current.file else set()
        for profile in map(profiles.read, profiles.names()):
            if profile.key and profile.passphrase_file:
                file = Path(profile.passphrase_file)
                if profiles.keys(profile).keystore(profile.key).resolve() in opened:
                    files.add(file)
        current_files = {file.resolve() for file in (new.file, self.kept) if file is not None}
        yield from sorted(file for file in files if file.resolve() not in current_files)


def change(
    keys: KeyDirectory, name: str | None, current: Passphrase, new: Passphrase, *, keep: bool, light: bool
) -> ChangedPassphrase:
    """Change the passphrase of the key ``name``, or of all keys in the folder.

    Raises MalformedInput where there is no such key, or the one would part from others that a kept passphrase opens;
    SecretRefused or KeyRefused, with nothing changed, where a key does not open.
    """
    paths = tuple(keys.files()) if name is None else (key_file(keys, name),)
    if not paths:
        raise MalformedInput(
            "there are no keys in {keys.path}", keys=keys, field="--key-dir", hint="See: tally key list"
        )
    kept = keys.path / "passphrase"
    keeps = keep or kept.exists()
    if keeps and name is not None and len(list(keys.files())) > 1:
        raise MalformedInput(
            "{kept} holds one passphrase for all keys beside it",
            kept=kept,
            field="NAME",
            hint="Name no key, to change all of them.",
        )
    of = f"the key {name}" if name else f"the keys in {keys.path}"
    if not current.is_named and kept.exists():
        current = Passphrase(kept)
    old = current.read(of=of)
    if not keeps:
        change_passphrase(paths, old, new.read(of=of, new=True), light=light)
        return ChangedPassphrase(paths, None)
    waiting = kept.with_name("passphrase.new")
    if waiting.exists():
        # It may be one of the operator's own: keys under it are never light for being kept.
        fresh, keep = _resumed(waiting, new), False
    else:
        fresh = new_service_passphrase(waiting, new, keep=keep, of=of)
        if not keep:
            write_secret(waiting, fresh.encode() + b"\n", field="passphrase")
    try:
        change_passphrase(paths, old, fresh, light=light or keep)
    except KeyRefused:  # none was changed, unless an earlier attempt did
        if not any(opens(path, fresh) for path in paths):
            waiting.unlink()
        raise
    waiting.replace(kept)
    sync_folder(kept.parent)
    return ChangedPassphrase(paths, kept)


def _resumed(waiting: Path, new: Passphrase) -> str:
    """Return the new passphrase of an attempt that was cut short: some keys may open with it alone."""
    passphrase = read_secret(waiting, field="passphrase").decode().rstrip("\r\n")
    if new.is_named and new.read(of="the keys", new=True) != passphrase:
        raise MalformedInput(
            "an earlier change was cut short; {waiting} holds the passphrase that some keys may open with alone",
            waiting=waiting,
            field=f"{new.option}-file, {new.option}-env",
            hint="Give the same one as then, or none: the change goes on with it.",
        )
    return passphrase


def key_file(keys: KeyDirectory, name: str, *, field: str = "NAME") -> Path:
    """Return the file of the key ``name``, of whichever kind. Raises MalformedInput, of ``field``, if there is none."""
    path = keys.note_key(name) if keys.note_key(name).exists() else keys.keystore(name)
    if not path.exists():
        raise MalformedInput(
            "there is no key {name} in {keys.path}", name=name, keys=keys, field=field, hint="See: tally key list"
        )
    return path
