"""The console's pages leave the event loop to submissions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant

from api.console.app import HANDLERS, routes
from api.console.cases.evidence_pages import given_file
from api.console.cases.item_files import posted_table
from api.console.shared.access import require_own_page
from api.console.shared.forms import read_form
from api.console.sign_in.sign_in_pages import read_signed
from api.dependencies import service_at_hand

# They wait for the body of a request, or have what they return at hand; they ask no database.
ON_THE_LOOP = {read_form, read_signed, posted_table, given_file, require_own_page, service_at_hand}


def dependencies(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """Yield the route's function and all that it depends on."""
    assert dependant.call is not None
    yield dependant.call
    for dependency in dependant.dependencies:
        yield from dependencies(dependency)


def test_nothing_of_the_console_blocks_the_event_loop() -> None:
    """What asks the database or renders is a plain function, which the framework runs in a thread."""
    called = {call for route in routes() for call in dependencies(route.dependant)} | set(HANDLERS.values())
    waiting = {call for call in called if inspect.iscoroutinefunction(call)}
    assert {call for call in waiting if call.__qualname__ != "json_body.<locals>.body"} == ON_THE_LOOP
