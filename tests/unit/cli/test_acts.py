"""The table of acts, and the commands that are made from it."""

from __future__ import annotations

import click
import pytest

from ledger.acts import ACTS
from ledger.cli.main import tally
from ledger.core.events import EVENT_TYPES
from ledger.core.events.fields import field_of

# Recorded by what reads a source or runs an audit, or published and adopted by commands about files.
WITHOUT_FORM = {
    *("import.recorded", "dataset.registered", "audit.recorded", "procedure.published"),
    *("model.published", "model.adopted", "lead.raised"),
}


def test_every_event_type_that_an_officer_signs_is_an_act() -> None:
    """A new event type needs a line in the table, unless its command is about more than its fields."""
    signed = {name for name, row in EVENT_TYPES.items() if row.roles}
    assert signed - WITHOUT_FORM == ACTS.keys()
    assert {*EVENT_TYPES} >= ACTS.keys()


def test_the_command_of_an_act_says_what_the_table_says() -> None:
    """Its group and name lead to a command whose help begins with the title."""
    context = click.Context(tally)
    for act in ACTS.values():
        group, _, name = act.command.partition(" ")
        commands = tally.get_command(context, group)
        assert isinstance(commands, click.Group), act
        command = commands.get_command(context, name)
        assert command is not None, act
        assert (command.help or "").partition("\n\n")[0] == str(act.title)


@pytest.mark.parametrize("event_type", [name for name, act in ACTS.items() if act.makes])
def test_what_an_act_makes_is_the_id_of_a_field(event_type: str) -> None:
    """The id that is made up is a required field of the body, and names something."""
    field = field_of(EVENT_TYPES[event_type].body, ACTS[event_type].makes or "")
    assert field is not None
    assert (field.type.kind, field.is_required) == ("id", True)
