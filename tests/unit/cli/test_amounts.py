"""Quantities and amounts of money on the command line: by the procedure of the case, where they do not say."""

from __future__ import annotations

from contextvars import copy_context

import click
import pytest
from msgspec.structs import replace

from ledger.cli.params import MONEY, PORTION, QUANTITY, AmountOfCase
from ledger.core.errors import MalformedInput
from ledger.core.procedure.rulebook import Currency, Rulebook
from ledger.i18n import PROCEDURES_IN_USE, label_first_by
from tests.testkit.builders import shipped_rulebook

SHIPPED = shipped_rulebook()
WEIGHED = replace(SHIPPED, units=dict.fromkeys(("qita", "gram"), SHIPPED.units["gram"]), currency=Currency("EGP"))


def read(kind: AmountOfCase, text: str, book: Rulebook = WEIGHED) -> object:
    """Parse the text as a command does, by this procedure."""

    def parse() -> object:
        PROCEDURES_IN_USE.set(())
        kind.convert(text, None, None)
        label_first_by(book)
        return kind.read(text, "--option")

    return copy_context().run(parse)


@pytest.mark.parametrize(
    ("book", "unit"), [(WEIGHED, "qita"), (SHIPPED, "piece"), (replace(SHIPPED, units={}), "piece")]
)
def test_a_quantity_without_a_unit_counts_in_the_first_of_the_procedure(book: Rulebook, unit: str) -> None:
    """Or in pieces, where it has these or has no table of units; one that is named is taken."""
    assert read(QUANTITY, "3", book) == {"value": "3", "unit": unit}
    assert read(QUANTITY, "3:gram", book) == {"value": "3", "unit": "gram"}
    portion = read(PORTION, "a-1=3", book)
    assert portion == {"item_id": "a-1", "quantity": {"value": "3", "unit": unit}}


def test_money_is_of_the_procedure_and_its_form_is_judged_first() -> None:
    """Whoever mistypes an amount hears of its form, not of the currency; of one too fine, how fine it may be."""
    assert read(MONEY, "1250.50") == {"amount": 125050, "currency": "EGP"}
    for text in ("12,50", "١٢٥٠٫٥٠", "12.50:usd"):
        with pytest.raises(click.BadParameter, match=r"expected 1200\.50 or 80:USD"):
            read(MONEY, text)
    with pytest.raises(MalformedInput, match=r"more digits after the point than EGP: expected at most 2"):
        read(MONEY, "12.505")
    with pytest.raises(MalformedInput, match="no currency"):
        read(MONEY, "12.50", replace(SHIPPED, currency=None))
