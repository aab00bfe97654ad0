"""Types of options: quantities, times, money, words of a vocabulary; the options and commands of events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property, partial, wraps
from inspect import cleandoc
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from ledger.acts import ACTS
from ledger.cli.command import fields_of, signing
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import instant, unix_seconds
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events import EVENT_TYPES, Authority, Body
from ledger.core.events.terms import TABLE_OF, WORD, choices
from ledger.i18n import label_first_by, spoken
from ledger.i18n.amounts import decimals_of, smallest_units, usual_currency, usual_unit
from ledger.procedures import tables_that_ship
from ledger.recording.event_signing import Claims, new_id

_QUANTITY = re.compile(r"(?P<value>[0-9.]+)(?:[ :](?P<unit>[a-z][a-z0-9_]*))?")
_AMOUNT = r"[0-9]{1,13}(?:\.[0-9]{1,4})?(?::[A-Z]{3})?"
_MONEY = re.compile(_AMOUNT)
_PORTION = re.compile(rf"(?:(?P<item_id>[a-z0-9-]+)=)?(?P<quantity>[^@=]+)(?:@(?P<money>{_AMOUNT}))?")
_WORD = re.compile(WORD)  # of a procedure
_SECTION = re.compile(r"(?P<label>[a-z0-9_]+(?::[0-9]+)?)\.(?P<field>[a-z0-9_]+)")


PARTICULARS = click.option(
    "--particular",
    "particulars",
    multiple=True,
    metavar="FIELD=VALUE",
    help="What a field that its kind has in the procedure says; may be given several times.",
)
IN_FORCE = click.option(
    "--ledger", "in_force", is_flag=True, help="By the procedures that your ledger has in force, not those that ship."
)
GROUND = click.option("--ground", required=True)
OUTSIDE = click.option("--outside", nargs=2, metavar="KIND NAME", help="Somebody who has no agency here.")
PLACE = click.option("--place", metavar="PLACE", help="Where somebody outside has the seat.")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the ledger [TALLYSTICK_DATA_DIR].",
)
WITNESS_DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the witness [TALLYSTICK_WITNESS_DATA_DIR].",
)
LIGHT = click.option("--light", is_flag=True, help="Little work against guessing: for tests and demonstrations only.")

identity_key_option = click.option(
    "--identity-key",
    "key_file",
    type=click.Path(path_type=Path),
    help="The agency's key that ids are derived with [TALLYSTICK_IDENTITY_KEY, else in the configuration].",
)


class Parsed(click.ParamType[Any]):
    """A value that ``read`` parses from text; other text it refuses by MalformedInput."""

    def __init__(self, name: str, read: Callable[[str], Any]):
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except MalformedInput as error:
            self.fail(": ".join(spoken(text) for text in (error.text, error.hint) if text), param, ctx)


class EventReference(click.ParamType[str]):
    """``EVENT_ID`` or ``EVENT_ID=DIGEST``, of which the command gets the reference, as ``event_ref`` does."""

    name = "EVENT_ID[=DIGEST]"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        return self.name


class DigestedFile(click.Path):
    """An existing file, of which the command gets the digests, of all files if there are several."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)


class AmountOfCase(Parsed):
    """A quantity, money or a part, of which the command gets what ``read`` parses by the procedure of the case."""

    def __init__(self, name: str, form: re.Pattern[str], read: Callable[[str], Any]):
        super().__init__(name, read)
        self._form = form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not self._form.fullmatch(str(value)):
            super().convert(value, param, ctx)  # refuses it, before anybody is asked for the procedure
        return value

    def read(self, text: str, option: str) -> Any:
        """Parse the text, in the unit or currency of the procedure in use if it names none. Raises MalformedInput."""
        try:
            return self._read(text)
        except MalformedInput as error:
            error.field = option
            raise


def words(vocabulary: Any) -> click.Choice[str]:
    """Return the choice of the words of a closed vocabulary of the protocol."""
    return click.Choice(choices(vocabulary))


class ProcedureWord(click.ParamType[str]):
    """A word of a vocabulary of the procedure. Those of the packages that ship are offered and told apart by case.

    Another word of its form is passed on: the ledger knows which procedure the case has, and refuses what it lacks.
    """

    def __init__(self, vocabulary: str):
        self.name = vocabulary
        self._vocabulary = vocabulary

    @cached_property
    def _choice(self) -> click.Choice[str]:
        table = TABLE_OF[self._vocabulary]
        return click.Choice([*dict.fromkeys(word for tables in tables_that_ship() for word in tables.get(table, ()))])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002 - click's signature
        return self._vocabulary.upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value) if _WORD.fullmatch(str(value)) else self._choice.convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return self._choice.shell_complete(ctx, param, incomplete)


def outsider(outside: tuple[str, str] | None, place: str | None = None) -> dict[str, str] | None:
    """Return somebody without an agency as events have them, by kind and name, or None."""
    if outside is None:
        return None
    return dict(zip(("kind", "name"), outside, strict=True)) | ({"place": place} if place else {})


def quantity(text: str, unit: str | None, refuse: Callable[[], Any]) -> dict[str, str]:
    """Parse a quantity, in ``unit`` if it names none."""
    match = _QUANTITY.fullmatch(text)
    if match is None or (match["unit"] or unit) is None:
        refuse()
    assert match is not None
    return {"value": match["value"], "unit": match["unit"] or unit or ""}


def _quantity(text: str) -> dict[str, str]:
    def refuse() -> NoReturn:
        raise MalformedInput("expected 10 or 12.5:gram, not {value!r}", value=text)

    return quantity(text, usual_unit(), refuse)


def _money(text: str) -> dict[str, Any]:
    if not _MONEY.fullmatch(text):
        raise MalformedInput("expected 1200.50 or 80:USD, not {value!r}", value=text)
    value, _, named = text.partition(":")
    currency = named or usual_currency()
    if currency is None:
        raise MalformedInput("the procedure has no currency: expected one, such as {value}:USD", value=text)
    amount = smallest_units(value, currency)
    if amount is None:
        raise MalformedInput(
            "{value} has more digits after the point than {currency}: expected at most {decimals}",
            value=value,
            currency=currency,
            decimals=decimals_of(currency),
        )
    return {"amount": amount, "currency": currency}


def _portion(text: str) -> dict[str, Any]:
    match = _PORTION.fullmatch(text)
    if match is None:
        raise MalformedInput("expected 10, 3:note@300.00 or cash-1=3:note@300.00, not {value!r}", value=text)
    part = {"item_id": match["item_id"] or new_id("item"), "quantity": _quantity(match["quantity"])}
    return part if match["money"] is None else part | {"money": _money(match["money"])}


# ``10`` of the procedure's first unit, ``12.5 gram`` or ``12.5:gram``.
QUANTITY = AmountOfCase("NUMBER[:UNIT]", _QUANTITY, _quantity)
# ``1200.50`` of the procedure's currency, or ``80:USD``; gives the smallest unit of the currency.
MONEY = AmountOfCase("AMOUNT[:CURRENCY]", _MONEY, _money)
# A part of an item: ``10``, ``3:note@300.00`` with money, ``cash-1=3:note@300.00`` under an id of its own.
PORTION = AmountOfCase("[ID=]NUMBER[:UNIT][@MONEY]", _PORTION, _portion)
# A time of the ledger's zone, or one with its offset; gives RFC 3339 UTC, or unix seconds, also of a day.
MOMENT = Parsed("TIME", partial(instant, field=""))
SECOND = Parsed("TIME", partial(unix_seconds, field=""))


def split_once(text: str, separator: str, option: str, example: str) -> tuple[str, str]:
    """Return both sides of the separator. Raises MalformedInput under the option's name."""
    left, middle, right = text.partition(separator)
    if not middle or not left or not right:
        raise MalformedInput("expected {example}, not {text!r}", example=example, text=text, field=option)
    return left, right


def particulars_of(texts: Iterable[str]) -> dict[str, str]:
    """Parse ``FIELD=VALUE`` options: what is stated in the fields of a kind. Raises MalformedInput."""
    return dict(split_once(text, "=", "--particular", "FIELD=VALUE") for text in texts)


def options(*decorators: Callable[..., Any]) -> Callable[..., Any]:
    """Return options that several commands share as one decorator, in this order."""

    def add(command: Any) -> Any:
        for option in reversed(decorators):
            command = option(command)
        return command

    return add


def generated_id(option: str, noun: str, help_text: str = "Made up unless given.") -> Callable[..., Any]:
    """Return an option for the id of what the command brings in."""
    return click.option(option, default=lambda: new_id(noun), help=help_text)


def with_event_recorder(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command an ``EventRecorder`` as its first argument, the options of ``Claims``, and ``--yes``."""

    @wraps(command)
    def act(
        session: Session, /, occurred_at: str | None, authority: str | None, section: tuple[str, ...], **fields: Any
    ) -> Any:
        # Only now is the profile known: it may stand behind the options that need it.
        for parameter in click.get_current_context().command.params:
            if parameter.name in fields:
                fields[parameter.name] = _resolve_value(session, parameter, fields[parameter.name])
        # What is malformed is refused before anybody is asked for confidential text.
        claimed_authority = _authority(authority)
        sections: dict[str, dict[str, str]] = {}
        for place, text in fields_of(section, option="--section").items():
            match = _SECTION.fullmatch(place)
            if match is None:
                raise MalformedInput("expected LABEL.FIELD, not {place!r}", place=place[:100], field="--section")
            sections.setdefault(match["label"], {})[match["field"]] = text
        claims = Claims(occurred_at, claimed_authority, sections)
        return command(EventRecorder(session, claims), **fields)

    for option in reversed((*_CLAIMS, signing)):
        act = option(act)
    return act


def _resolve_value(session: Session, parameter: click.Parameter, value: Any) -> Any:
    """Return what a command gets for the files to be digested and the cited events on its command line."""
    values = value if isinstance(value, tuple) else () if value is None else (value,)
    if values and isinstance(parameter.type, AmountOfCase):
        label_first_by(session.procedure_of(click.get_current_context().params["case_id"]))
        amounts = [parameter.type.read(text, parameter.opts[0]) for text in values]
        return amounts if isinstance(value, tuple) else amounts[0]
    if isinstance(parameter.type, DigestedFile):
        from ledger.cli.files import digests_of

        return [digest for file in values for digest in digests_of(file, session.output)]
    if isinstance(parameter.type, EventReference):
        name = parameter.opts[0] if isinstance(parameter, click.Option) else "EVENT_ID"
        cited = [event_ref(session, text, option=name) for text in values]
        return cited if isinstance(value, tuple) else next(iter(cited), None)
    return value


def record_in_case(recorder: EventRecorder, case_id: str, body: type[Body], fields: dict[str, Any]) -> None:
    """Record an event of a case."""
    recorder.record(case_id, make_body(body, **fields))


def act_command(group: click.Group, event_type: str) -> Callable[[Any], click.Command]:
    """Return a decorator that adds the command of an act, with its name and words in ``ACTS``.

    What the function's docstring has beside its first paragraph is told of the options.
    """
    definition = ACTS[event_type]

    def add(function: Any) -> click.Command:
        texts = (definition.title, definition.note, cleandoc(function.__doc__ or "").partition("\n\n")[2])
        help_text = "\n\n".join(str(text) for text in texts if text)
        return group.command(definition.command.partition(" ")[2], help=help_text)(function)

    return add


def add_act(
    group: click.Group,
    event_type: str,
    *parameters: str | Callable[..., Any],
    subject: str = "case_id",
    record: Callable[[EventRecorder, str, type[Body], dict[str, Any]], None] = record_in_case,
) -> None:
    """Add the command that records an event of this type, by its name and words in ``ACTS``.

    Its parameters are the argument ``subject``, which names the stream, and one for each field of the body; those that
    are given by their name alone have the help that all commands share.
    """
    body = EVENT_TYPES[event_type].body

    def act(recorder: EventRecorder, **fields: Any) -> None:
        record(recorder, fields.pop(subject), body, fields)

    command = with_event_recorder(act)
    for parameter in reversed((subject, *parameters)):
        if not isinstance(parameter, str):
            command = parameter(command)
        else:
            command = (click.option if parameter.startswith("-") else click.argument)(parameter)(command)
    act_command(group, event_type)(command)


_CLAIMS = (
    click.option("--occurred-at", type=MOMENT, help="When it happened, if not now."),
    click.option("--authority", metavar="TYPE=NUMBER", help="On what authority, such as 'warrant=W-2026-7'."),
    click.option(
        "--section",
        metavar="LABEL.FIELD[=@FILE]",
        multiple=True,
        help="Confidential text, kept apart: from a file, from standard input with @-, or asked for. Nothing else that "
        "you write can be erased: name no person there.",
    ),
)


def _authority(text: str | None) -> Authority | None:
    if text is None:
        return None
    kind, identifier = split_once(text, "=", "--authority", "TYPE=NUMBER")
    return Authority(authorization_type=kind, authorization_identifier=identifier)


def event_ref(session: Session, text: str, *, option: str) -> dict[str, str]:
    """Parse ``EVENT_ID=DIGEST``; for an id alone, compute the digest from the event's payload.

    Raises IntegrityBroken if the service shows another event than the one asked for.
    """
    if "=" in text:
        event_id, digest = split_once(text, "=", option, "EVENT_ID or EVENT_ID=blake3:...")
        return {"event_id": event_id, "payload_digest": digest}
    shown = session.service.get(path_of("/api/v1/events/{}", text))
    digest = blake3_text(canonical.encode(shown["payload"]))
    if (shown["envelope"]["event_id"], shown["envelope"]["payload_digest"]) != (text, digest):
        raise IntegrityBroken("the service shows another event than {text}", text=text, field=option)
    return {"event_id": text, "payload_digest": digest}
