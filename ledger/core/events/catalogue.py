"""The table of event types: for each its body, the kinds of stream it belongs to, and the roles that may sign it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from ledger.core.events.terms import Role, StreamKind, Value

HANDLING: tuple[Role, ...] = ("clerk", "supervisor")
SERVICE: tuple[Role, ...] = ()  # signed by the service's own key, which the trust file names


class Body(Value, frozen=True):
    """Base of all bodies: the part of a payload that is particular to an event type."""


class EventType(NamedTuple):
    """A row of the table of event types.

    ``roles`` is empty if only the service's own key may sign; an ``on_authority`` event names the authority it is done
    on.
    """

    name: str
    body: type[Body]
    streams: tuple[StreamKind, ...]
    roles: tuple[Role, ...]
    on_authority: bool


EVENT_TYPES: dict[str, EventType] = {}
NAME_OF: dict[type[Body], str] = {}

_B = TypeVar("_B", bound=type[Body])


def event(
    name: str,
    *,
    streams: tuple[StreamKind, ...] = ("case",),
    roles: tuple[Role, ...] = HANDLING,
    on_authority: bool = False,
) -> Callable[[_B], _B]:
    """Register the decorated body as the event type ``name``."""

    def enter(body: _B) -> _B:
        # A type that is entered twice would change the meaning of what is signed already.
        if name in EVENT_TYPES:
            raise AssertionError(f"event type {name} is entered twice")
        EVENT_TYPES[name] = EventType(name, body, streams, roles, on_authority)
        NAME_OF[body] = name
        return body

    return enter
