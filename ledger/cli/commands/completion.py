"""``tally completion``: the script by which a shell completes commands, options and words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ledger.cli.command import Command


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    bash: source <(tally completion bash); zsh: the same; fish: tally completion fish | source
    """
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(ctx.find_root().command, {}, "tally", "_TALLY_COMPLETE").source())
