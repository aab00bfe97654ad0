"""Import a file at the command line: survey it under a progress bar, find the agency's identity key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ledger.cli.files import bar
from ledger.cli.params import split_once
from ledger.cli.session import Session
from ledger.client.import_target import ImportTarget
from ledger.config.secret_files import SecretRefused
from ledger.interchange.imports.case_events import ImportSigner
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.importing import Importer
from ledger.interchange.imports.joined_files import JoinedSource
from ledger.interchange.imports.plan import Planner
from ledger.interchange.imports.source_file import SourceFile, Survey
from ledger.recording.event_signing import Actor

KEY_VARIABLE = "TALLYSTICK_IDENTITY_KEY"


class SurveyedFile(NamedTuple):
    """A file that was read once, and what its rows are read by."""

    source: SourceFile
    survey: Survey
    planner: Planner


@contextmanager
def open_surveyed(
    session: Session, file: Path, planner: Planner, joined: tuple[str, ...], *, may_double: bool
) -> Iterator[SurveyedFile]:
    """Open and survey the file, and those ``joined`` (NAME=PATH). Raises MalformedInput if one is not as mapped.

    Rows may share a case number if they ``may_double``.
    """
    others = dict(split_once(text, "=", "--with", "NAME=PATH") for text in joined)
    with JoinedSource(file, planner.mapping, {name: Path(path) for name, path in others.items()}) as source:
        with bar(session, "reading") as progress:
            columns = planner.mapping.columns()
            number = {} if may_double else {"number": planner.number}
            survey = source.survey(columns, planner.fingerprint, progress.step, planner.persons, **number)
        yield SurveyedFile(source, survey, planner)


def make_importer(session: Session, file: SurveyedFile, *, may_add: bool = False, may_double: bool = False) -> Importer:
    """Return the importer of the file for the session's profile."""
    signer = ImportSigner(Actor(*session.officer, session.signer), session.log_id, session.procedures)
    target = ImportTarget(session.service)
    return Importer(file.planner, target, signer, file.survey, may_add=may_add, may_double=may_double)


def identity_key(session: Session, named_file: Path | None) -> IdentityKey:
    """Read the agency's identity key. Raises SecretRefused, with the way to make one, if there is none."""
    path = key_path(session, named_file)
    if not path.exists():
        raise SecretRefused(
            "there is no identity key {path}",
            path=path,
            field="--identity-key",
            hint="Copy your agency's, or where it has none yet make it, once: tally import key",
        )
    return IdentityKey.read(session.officer[0], path)


def key_path(session: Session, named_file: Path | None) -> Path:
    """Return where the identity key of the profile's agency is, or the path that the user names."""
    if named_file:
        return named_file
    if named := os.environ.get(KEY_VARIABLE):
        return Path(named)
    return session.profiles.path / "identity" / f"{session.officer[0]}.key"
