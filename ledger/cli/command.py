"""Commands and groups of ``tally``: the options that all share, and groups whose modules are imported on use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import cleandoc
from keyword import iskeyword
from typing import Any

import click

from ledger.cli.help import Context, shell_lines
from ledger.cli.help_texts import EXAMPLES, IN_WORDS, OPTIONS
from ledger.cli.private_text import Words
from ledger.cli.session import Session
from ledger.i18n import LANGUAGES


def _keep(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            setattr(ctx.ensure_object(Session), attribute, value)

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
    """A command with the shared options. Options without help get the help text that is shared by name."""

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        for parameter in self.params:
            if isinstance(parameter, click.Option) and not parameter.help:
                parameter.help = OPTIONS.get(parameter.name or "")
            if parameter.name in IN_WORDS and parameter.type is click.STRING:
                parameter.type = Words()
        self.params.extend(shared_options())

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        examples = EXAMPLES.get(ctx.command_path.partition(" ")[2], ())
        if examples:
            with formatter.section("Examples"):
                for example in examples:
                    for line in shell_lines(example, formatter.width - formatter.current_indent):
                        formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Group(TranslatedCommand, click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.params.extend(shared_options())


class LazyGroup(Group):
    """A group whose commands stand in modules of ``package``, each under its own name: imported when used."""

    def __init__(self, *arguments: Any, package: str, modules: Sequence[str], **keywords: Any):
        super().__init__(*arguments, **keywords)
        self._package = package
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._modules:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = import_module(f"{self._package}.{module}").command
        return command
