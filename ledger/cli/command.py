"""Commands and groups of ``tally``: help in the user's language, the options that all share, and how texts are taken.

Confidential texts do not stand on a command line: every user of the machine sees those, and shells keep them. Such a
text is read from a file (``@FILE``), from standard input (``@-``), or asked for. Help is written in English at the
commands and translated when it is shown. Modules of commands are imported when they are used.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from ledger.cli.output import columns_of, padded
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.i18n import LANGUAGES, spoken, translate

if TYPE_CHECKING:
    from pathlib import Path

EXTRAS: Final = ("greenlet", "pydantic.v1", "pygments", "rich")  # what ``without_extras`` leaves out

VISIBLE_HINT = Message(
    "Others see what stands on a command line, and it is kept: give @FILE or @-, or leave the text out to be asked."
)


class Words(click.ParamType[str]):
    """A text that anybody who may see the event reads; a long one, or one that names persons, comes from a file."""

    name = "TEXT|@FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        return _read(value, param.opts[0] if param else "") if str(value).startswith("@") else str(value)


def confidential(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Take an option's text from its prompt, from a file or from standard input. Raises MalformedInput for another."""
    typed = ctx.get_parameter_source(parameter.name or "") is not ParameterSource.COMMANDLINE
    return value if typed or value is None else _kept_off(value, parameter.opts[0])


def fields_of(texts: Iterable[str], *, option: str) -> Mapping[str, str]:
    """Read the fields of ``FIELD=@FILE`` or ``FIELD=@-``; ask for that of ``FIELD`` alone. Raises MalformedInput."""
    fields: dict[str, str] = {}
    for spec in texts:
        field, equals, source = spec.partition("=")
        if equals:
            fields[field] = _kept_off(source, option)
        elif sys.stdin.isatty():
            fields[field] = click.prompt(field, err=True)
        else:
            message = Message("{field} is not given, and there is no terminal to ask at", field=field)
            raise MalformedInput(message, field=option, hint=VISIBLE_HINT)
    return fields


def _kept_off(source: str, option: str) -> str:
    if not source.startswith("@"):
        raise MalformedInput("expected @FILE or @-, not the text itself", field=option, hint=VISIBLE_HINT)
    return _read(source, option)


def _read(source: str, option: str) -> str:
    from pathlib import Path

    try:
        text = sys.stdin.read() if source == "@-" else Path(source[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedInput(
            "{source} cannot be read as text: {error}", source=source[1:], error=error, field=option
        ) from error
    return text.strip()


NARROWEST = 20  # columns that a text gets beside its term
_VERBATIM = "\b\n"
# Lines are not broken within these: words, with the punctuation that must not begin a line.
_TOKENS = re.compile(r"(?: |[\[（]?(?:[!-~]+|[^\x00-\x7f]))[，。；：、）\]]*")
# What click adds behind the help of an option, or puts in its place.
_BEHIND = re.compile(r"(?:^|(?<=  ))\[.*\]$")
_WORDS = re.compile(r'(?:--[a-z-]+ (?!-))?(?:"[^"]*"|[^ "])+')  # an option stays with its value
_GOES_ON = " \\"


class Formatter(click.HelpFormatter):
    """Lays out help in a language.

    Lines are measured in columns of a terminal, of which a Chinese character takes two.
    """

    def __init__(self, language: str, **sizes: Any):
        super().__init__(**sizes)
        self._language = language

    def translated(self, text: str) -> str:
        """Return the text in the reader's language; what click puts behind an option's help is in it already."""
        behind = _BEHIND.search(text)
        own_text, added = (text[: behind.start()].rstrip(), behind[0]) if behind else (text, "")
        # A mark before lines that are not wrapped is no text.
        parts = ((part, part.removeprefix(_VERBATIM)) for part in own_text.split("\n\n"))
        translated = "\n\n".join(part.removesuffix(own) + translate(own, self._language) for part, own in parts)
        return "  ".join(part for part in (translated, added) if part)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or self.translated("Usage: "))

    def write_heading(self, heading: str) -> None:
        super().write_heading(self.translated(heading))

    def write_text(self, text: str) -> None:
        text = self.translated(text)
        if text.isascii():
            return super().write_text(text)
        for number, paragraph in enumerate(text.split("\n\n")):
            lines = paragraph.removeprefix(_VERBATIM).splitlines()
            if not paragraph.startswith(_VERBATIM):
                lines = wrap(paragraph, self.width - self.current_indent)
            self._write_lines(["", *lines] if number else lines)
        return None

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = [(term, self.translated(text)) for term, text in rows]
        if all(text.isascii() for _, text in rows):
            return super().write_dl(rows, col_max, col_spacing)
        first = min(max(columns_of(term) for term, _ in rows), col_max) + col_spacing
        room = max(self.width - self.current_indent - first, NARROWEST)
        for term, text in rows:
            beside, *below = wrap(text, room)
            fits = columns_of(term) + col_spacing <= first
            head = [padded(term, first) + beside] if fits else [term, " " * first + beside]
            self._write_lines(head + [" " * first + line for line in below])
        return None

    def _write_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(f"{'':{self.current_indent}}{line}".rstrip(" ") + "\n")


class Context(click.Context):
    """A context with help in the session's language."""

    def make_formatter(self) -> click.HelpFormatter:
        session = self.find_object(Session) or Session()
        return Formatter(session.language, width=self.terminal_width, max_width=self.max_content_width)


def shell_lines(command: str, width: int) -> list[str]:
    """Split a command into lines of at most ``width`` characters; each but the last ends with a backslash."""
    lines = [""]
    for word in _WORDS.findall(command):
        if lines[-1].strip() and len(lines[-1]) + len(word) + len(_GOES_ON) > width:
            lines.append("   ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return [f"{line}{_GOES_ON}" for line in lines[:-1]] + lines[-1:]


def wrap(text: str, width: int) -> list[str]:
    """Wrap a text at ``width`` columns, without breaking words. At least one line is returned."""
    lines = [""]
    for token in _TOKENS.findall(text.replace("\n", " ")):
        if lines[-1] and columns_of(lines[-1] + token.rstrip()) > width:
            lines.append("")
        lines[-1] = (lines[-1] + token).lstrip()
    return [line.rstrip() for line in lines]


OUTPUT_HELP: Final = "Where to write it; - is standard output."

# By the name of the parameter; an option's own help goes before.
OPTIONS: Final[dict[str, str]] = {
    "account": "Account of money or data, or address of virtual currency.",
    "article": "The clause that it rests on, as the procedure names it.",
    "business_line": "Business line of the case.",
    "condition": "What it looks like, in words.",
    "decided_at": "When it was decided.",
    "department": "Department of your agency that it goes to.",
    "disposed_at": "When it was done.",
    "due_at": "Until when.",
    "effective_at": "When it takes effect, if not when it was decided.",
    "encoding": "Encoding of the file.",
    "ended_at": "When it ended.",
    "exhibit_number": "Number on the label.",
    "explanation": "The reason, in words.",
    "finding": "What was found, in words.",
    "ground": "Why, in words.",
    "happened_at": "When it happened.",
    "item_kind": "What it is.",
    "method": "How it was done.",
    "number": "Number of the paper, as written on it.",
    "purpose": "What it is handed over for.",
    "qualifying_ground": "The ground that the clause asks for.",
    "quantity": "How many, or how much of which unit.",
    "reason_code": "The reason, by its code.",
    "received_at": "When it was delivered.",
    "recipient": "Who gets it.",
    "relation": "How the cases belong together.",
    "remark": "Anything else, in words.",
    "remedy": "What the other side is to do.",
    "replace": "Put it in place of one that is there already, which is lost.",
    "seal_number": "Number of the seal.",
    "seal_state": "How the seal was found.",
    "seized_at": "When it was seized.",
    "service": "How it was delivered.",
    "served_at": "When it was served.",
    "stage": "Stage that the case is at.",
    "started_at": "When it began.",
    "storage_location": "Where it lies.",
    "to_officer": "Officer who takes it.",
}

# Options that may tell of persons at length, and may come from a file.
IN_WORDS: Final = frozenset(
    (
        *("answer", "because", "condition", "description", "expected", "explanation", "finding", "found", "ground"),
        *("note", "recipient", "remark", "summary"),
    )
)

# By the command's words.
EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "init": (
        "tally init --agency psb-east.json --agency court-east.json --procedure cn-criminal",
        "tally init --founding founding.toml",
        "tally init --development --keep-passphrase --data-dir town",
    ),
    "serve": ("tally serve --data-dir town",),
    "signer": ("tally --profile court signer",),
    "profile add": (
        "tally profile add court --url http://127.0.0.1:8420 --agency court-east --officer c-0007 --key court",
    ),
    "key passphrase": (
        "tally key passphrase court",
        "tally key passphrase --key-dir tallystick-data/keys --keep-passphrase",
    ),
    "key new": ("tally key new court", "tally key new court --passphrase-file passphrase"),
    "key request": ("tally --profile court key request -o c-0007.json",),
    "key grant": (
        "tally --profile admin-court key grant c-0007.json --role clerk --until 2035-01-01T00:00:00Z",
        "tally --profile admin-court key grant 0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
        " --officer c-0007 --role clerk --until 2035-01-01T00:00:00Z",
    ),
    "case open": ("tally case open --case-id case-1 --number 2026-118 --type theft",),
    "item register": (
        'tally item register case-1 "telephone, screen cracked" --seal-number S-1003 --file phone.png',
        'tally item register case-1 "cash" --kind property --money 1200.50',
    ),
    "handover offer": (
        "tally handover offer case-1 court-east --purpose public_prosecution --item phone-1",
        "tally handover offer case-1 court-east --purpose public_prosecution --all-items",
    ),
    "handover accept": (
        'tally handover accept case-1 handover-1 --received-at "2026-03-01 16:30" --all-as-listed',
        'tally handover accept case-1 handover-1 --received-at "2026-03-01 16:30" --all-as-listed'
        " --except knife-1=seal_broken",
    ),
    "handover refuse": (
        'tally handover refuse case-1 handover-1 --reason binding_defective --remedy rebind --explanation "volume 2"',
    ),
    "search": ("tally search S-1003", "tally search --file phone.png"),
    "evidence hash": ("tally evidence hash photos/*.png",),
    "evidence seal": ("tally evidence seal photos photos-bag --case case-1 --item-id photos-1",),
    "import run": ("tally import run cases.csv --mapping mapping.toml",),
    "model test": ("tally model test same-seal", "tally model test own.yaml"),
    "model run": ("tally --profile analyst model run own.yaml",),
    "lead confirm": ('tally lead confirm lead-... --finding "the list has one seal twice" --material list.pdf',),
    "report": ("tally report --from 2026-01-01 --until 2026-06-30 --output report.pdf",),
    "proof get": ("tally proof get --case case-1 --output case-1.json",),
    "proof check": (
        "tally proof check case-1.json --trust trust.json",
        "tally proof check case-1.json --trust trust.json --rpc http://127.0.0.1:8545",
    ),
    "proof certificate": ("tally proof certificate bundle.json --trust trust.json --output certificate.pdf",),
    "log trust": ("tally log trust --block-of case-1.json --output trust.json",),
    "audit": ("tally audit", "tally audit case-1"),
    "correlate": ("tally correlate seal:S-1003", "tally correlate case:case-1 --depth 2"),
}


def _keep(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            session = ctx.ensure_object(Session)
            setattr(session, attribute, value)
            session.speak()

    return keep


def _complete_profile(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in Session().profiles.names() if name.startswith(incomplete)]


def shared_options() -> list[click.Parameter]:
    """Return ``--json``, ``--profile`` and ``--lang``, understood before and after the command's name."""
    return [
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_keep("json"),
            help="Answer in JSON on standard output; messages stay on standard error.",
        ),
        click.Option(
            ["--profile"],
            metavar="NAME",
            is_eager=True,  # times are typed in the zone of the profile's ledger
            expose_value=False,
            callback=_keep("profile_name"),
            shell_complete=_complete_profile,
            help="Who acts, and where: see 'tally profile' [TALLYSTICK_PROFILE, else the only one].",
        ),
        click.Option(
            ["--lang"],
            type=click.Choice(LANGUAGES),
            is_eager=True,
            expose_value=False,
            callback=_keep("language"),
            help="Language, of help too if it stands before --help [TALLYSTICK_LANG, else LANG].",
        ),
    ]


class TranslatedCommand(click.Command):
    """A command with help in the reader's language; lists show the whole first paragraph of it."""

    context_class = Context

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002 - click's signature
        return cleandoc(self.help or "").partition("\n\n")[0]


class Command(TranslatedCommand):
    """A command with the shared options, whose function gets the session first.

    Options without help get the help text that is shared by name.
    """

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        for parameter in self.params:
            if isinstance(parameter, click.Option) and not parameter.help:
                parameter.help = OPTIONS.get(parameter.name or "")
            if parameter.name in IN_WORDS and parameter.type is click.STRING:
                parameter.type = Words()
        self.params.extend(shared_options())

    def invoke(self, ctx: click.Context) -> Any:
        assert self.callback is not None
        return ctx.invoke(self.callback, ctx.ensure_object(Session), **ctx.params)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        examples = EXAMPLES.get(ctx.command_path.partition(" ")[2], ())
        if examples:
            with formatter.section("Examples"):
                for example in examples:
                    for line in shell_lines(example, formatter.width - formatter.current_indent):
                        formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def signing(command: Any) -> Any:
    """Give a command that signs the option ``--yes``, by which ``Session.confirm`` does not ask."""
    agrees = _keep("agrees")
    return click.option("--yes", is_flag=True, expose_value=False, callback=agrees, help="Sign without being asked.")(
        command
    )


class OutputFile(click.Path):
    """A file that a command writes, as ``ledger.cli.files.opened_output`` does.

    ``-`` is standard output, and so is its name, such as ``/dev/stdout``; unless that has what the command prints.
    """

    def __init__(self, *, is_result: bool = True, folder_okay: bool = False):
        super().__init__(dir_okay=folder_okay)
        self.is_result = is_result

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from pathlib import Path

        file = Path(str(super().convert("-" if _is_standard_output(Path(value)) else value, param, ctx)))
        if str(file) == "-" and not self.is_result:
            self.fail(spoken(Message("expected the name of a file: standard output has what the command prints")))
        return file


def _is_standard_output(file: Path) -> bool:
    """Return whether a file is where standard output goes, which would be cut off if it were opened anew."""
    try:
        return os.path.samestat(file.stat(), os.fstat(1)) and not file.samefile(os.devnull)
    except OSError:
        return False


class _OutputOption(click.Option):
    """Shows the name of a file that is written by default as it is."""

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        extra = super().get_help_extra(ctx)
        return {**extra, "default": extra["default"].strip("()")} if "default" in extra else extra


def output_option(
    *names: str, default: str | bool = False, help_text: str = OUTPUT_HELP, required: bool = False, **kind: bool
) -> Callable[[Any], Any]:
    """Return the option that names a file which a command writes, with ``--replace`` beside it.

    ``default`` is how the file is called that is written where the option is absent; ``kind`` is as of ``OutputFile``.
    """

    def add(command: Any) -> Any:
        if all(parameter.opts[0] != "--replace" for parameter in getattr(command, "__click_params__", ())):
            keep = _keep("replaces")
            command = click.option("--replace", is_flag=True, expose_value=False, callback=keep)(command)
        declared = names or ("--output", "-o")
        file = OutputFile(**kind)
        return click.option(
            *declared, cls=_OutputOption, type=file, required=required, help=help_text, show_default=default
        )(command)

    return add


SIGNED = Message("Acts: each is shown, and signed if you agree")
READ = Message("Look, check and prepare")


class Group(TranslatedCommand, click.Group):
    """A group of such commands, in help those that sign apart from those that do not."""

    command_class = Command
    group_class = type

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.params.extend(shared_options())

    def headed(self, commands: Mapping[str, click.Command]) -> Iterable[tuple[str, Iterable[str]]]:
        """Return headings with the names of the commands under each."""
        signed = [name for name, command in commands.items() if any(each.name == "yes" for each in command.params)]
        rest = [name for name in commands if name not in signed]
        return ((SIGNED, signed), (READ, rest)) if signed and rest else ((Message("Commands"), commands),)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = {name: command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))}
        for heading, names in self.headed(commands):
            if rows := [(name, commands[name].get_short_help_str()) for name in names]:
                with formatter.section(heading):
                    formatter.write_dl(rows)


@contextmanager
def without_extras() -> Iterator[None]:
    """Let libraries that are imported meanwhile do without the packages that they only try for.

    httpx has a command line of its own, structlog draws coloured tracebacks, FastAPI takes the models of Pydantic 1:
    none of that is used here, and a service would keep seven megabytes for it. Whoever needs such a package imports it
    outside.
    """
    absent = [name for name in EXTRAS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None: whoever imports it gets an ImportError
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)
