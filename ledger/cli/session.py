"""The session of one command: the global options, the output, and the profile that the command acts for."""

from __future__ import annotations

import os
import sys
import termios
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click
from msgspec import DecodeError, json

from ledger.cli.options import option_of
from ledger.client.session import ClientSession
from ledger.core.encoding.decoding import convert, decode_json
from ledger.core.errors import MalformedInput, SignatureRefused, TallystickError
from ledger.core.messages import Message
from ledger.core.procedure.zones import UNIVERSAL, Zone
from ledger.i18n import Labels, language_of, speak
from ledger.procedures import tables_that_ship

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ledger.cli.output import Output
    from ledger.client.profiles import Profile


class Session(ClientSession):
    """One run of ``tally``."""

    def __init__(self) -> None:
        self.json = self.agrees = self.replaces = False
        self.language = language_of(os.environ.get("TALLYSTICK_LANG") or os.environ.get("LANG"))
        self.profile_name = os.environ.get("TALLYSTICK_PROFILE") or None
        # The exit code of a verdict that was reached: what goes wrong afterwards takes the place of a good one alone.
        self.verdict = 0

    @property
    def answer_language(self) -> str:  # type: ignore[override]
        """Return the language of messages: programs, which ask for JSON, get English in every language."""
        return "en" if self.json else self.language

    def speak(self) -> None:
        """Let click speak the language of messages."""
        speak(self.answer_language)

    @cached_property
    def labels(self) -> Labels:
        """Return the labels in the user's language."""
        return Labels(self.language)

    def label_tables(self) -> Iterator[Mapping[str, Any]]:
        """Yield the tables of packages whose labels are shown: those that the ledger has in force, then all that ship.

        What works offline contacts nobody for them, and programs get no labels.
        """
        if "service" in self.__dict__ and not self.json:
            yield from self._tables_in_force
        yield from tables_that_ship()

    @cached_property
    def _tables_in_force(self) -> list[dict[str, Any]]:
        with suppress(TallystickError):
            return [decode_json(text, dict[str, Any]) for text in self.texts_in_force]
        return []

    @cached_property
    def output(self) -> Output:
        """Return what prints for people, or for programs with ``--json``."""
        from ledger.cli.output import Output

        return Output(json=self.json, labels=self.labels, names=self._agency_name)

    @property
    def zone(self) -> Zone:
        """Return the zone of times that are shown: that of TALLYSTICK_TIME_ZONE, or else of the ledger.

        What works offline contacts nobody for it: it is the one that the profile remembers, or UTC.
        """
        if os.environ.get("TALLYSTICK_TIME_ZONE") or "service" in self.__dict__:
            return self._known_zone
        return self.remembered_zone

    @cached_property
    def remembered_zone(self) -> Zone:
        """Return the zone that the ledger of the profile had when it last answered, UTC if that is not known."""
        folder = os.environ.get("TALLYSTICK_CONFIG_DIR") or click.get_app_dir("tallystick")
        if not os.path.isdir(f"{folder}/profiles"):  # noqa: PTH112 - pathlib is loaded with the profiles
            return UNIVERSAL  # a proof check without a profile loads nothing for one
        with suppress(OSError, DecodeError, TallystickError):
            return decode_json(self.profiles.zone(self.profile).read_bytes(), Zone)
        return UNIVERSAL

    def zone_of_typed(self) -> Zone:
        """Return the zone of times that are typed without an offset. Raises Unavailable if the ledger does not say."""
        with suppress(MalformedInput):  # without a profile it is UTC, as everything is shown then
            self.service  # noqa: B018 - from now on the zone is that of its ledger
        return self.zone

    @cached_property
    def _known_zone(self) -> Zone:
        from ledger.config.secret_files import write_secret

        if name := os.environ.get("TALLYSTICK_TIME_ZONE"):
            from ledger.deadlines.zone_tables import named_zone

            return named_zone(name)
        zone = convert(self.service.get("/api/v1/log/zone"), Zone)
        with suppress(OSError, TallystickError):
            write_secret(self.profiles.zone(self.profile), json.encode(zone), field="zone", replace=True)
        return zone

    def _agency_name(self, agency_id: str) -> str:
        """Return what a Chinese reader calls the agency; to others its id, which commands take, reads as a name."""
        return agency_id if self.language == "en" else self._agency_names.get(agency_id, agency_id)

    def full_name(self, agency_id: str) -> str:
        """Return the agency's name in the registry with its id, which alone is signed; or the id, as not known."""
        from ledger.timeline.sentences import quoted

        name = None
        with suppress(TallystickError):
            name = self._agency_names.get(agency_id)
        if name is None:
            return self.labels.of("telling", "unnamed").format(agency_id)
        return self.labels.of("telling", "item").format(quoted(name), agency_id)

    @cached_property
    def _agency_names(self) -> dict[str, str]:
        """Ask the service that this command has asked already: what works offline contacts nobody for names."""
        if "service" not in self.__dict__:
            return {}
        from ledger.core.signing.authority import SERVICE_AGENCY

        rows = self.service.pages("/api/v1/agencies", "agencies")
        names = {row["agency_id"]: self.labels.in_language(row["name"]) for row in rows}
        return {SERVICE_AGENCY: self.labels.of("noun", SERVICE_AGENCY), **names}

    def note(self, text: str) -> None:
        """Print a note on standard error."""
        self.output.note(text)

    def warn(self, text: str) -> None:
        """Print a warning on standard error."""
        self.output.warn(text)

    def confirm(
        self,
        lines: Iterable[str] = (),
        *,
        ask: str = "decide.ask",
        option: str = "--yes",
        agrees: bool | None = None,
    ) -> None:
        """Show what is to be signed, in ``lines``, and ask, unless ``--yes`` was given.

        What is asked beside it is agreed to by an ``option`` of its own, which was given if ``agrees``.

        Raises MalformedInput if there is nobody to ask, SignatureRefused for a no.
        """
        if self.agrees if agrees is None else agrees:
            return
        if self.json or not sys.stdin.isatty():
            hint = Message("Run it at a terminal and read what it signs, or give {option}.", option=option)
            message = Message("nothing was signed: there is no terminal to ask at whether you agree")
            raise MalformedInput(message, field=option, hint=hint)
        from ledger.cli.output import printable_line

        for line in lines:
            click.echo(printable_line(self.labels.translate(line)), err=True)
        with suppress(OSError):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)  # what was typed before answers no question
        if not click.confirm(self.labels.of("message", ask), err=True):
            raise SignatureRefused("nothing was signed: you did not agree", code="declined")

    def name_field(self, field: str | None) -> str | None:
        """Return the option of the running command that a field comes from, or the field itself."""
        return option_of(field)

    def read_passphrase(self, profile: Profile) -> str:
        """Read the passphrase from the file or variable that the profile names, or else ask for it."""
        from ledger.cli.passphrase import passphrase_of

        return passphrase_of(profile).read(of=f"the key {profile.key}")
