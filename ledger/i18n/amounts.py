"""Units of quantities, and amounts of money, which events have in the smallest unit and people in the main one."""

from __future__ import annotations

from decimal import Decimal

from ledger.i18n import PROCEDURES_IN_USE

# ISO 4217: the currencies whose main unit has not two decimals.
_DECIMALS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"), 0),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
USUAL_DECIMALS = 2


def usual_currency() -> str | None:
    """Return the currency of amounts that name none: that of the first procedure in use that has one."""
    return next((book.currency.code for book in PROCEDURES_IN_USE.get() if book.currency is not None), None)


def usual_unit() -> str:
    """Return the unit of quantities that name none: ``piece``, or the first one of the procedure if it has others."""
    units = next((book.units for book in PROCEDURES_IN_USE.get()), None)
    return "piece" if not units or "piece" in units else next(iter(units))


def decimals_of(currency: str) -> int:
    """Return how many decimals the main unit of a currency has, as a procedure in use says, or else ISO 4217."""
    for book in PROCEDURES_IN_USE.get():
        if book.currency is not None and book.currency.code == currency:
            return book.currency.decimals
    return _DECIMALS.get(currency, USUAL_DECIMALS)


def money_in_words(amount: int, currency: str, *, grouped: bool = False) -> str:
    """Return an amount in the main unit, with all of its decimals and its currency: ``1250`` CNY as ``12.50 CNY``."""
    value = Decimal(amount).scaleb(-decimals_of(currency))
    return f"{value:,f} {currency}" if grouped else f"{value:f} {currency}"


def smallest_units(text: str, currency: str) -> int | None:
    """Return an amount in the main unit as one in the smallest, or None if it has parts of that."""
    value = Decimal(text).scaleb(decimals_of(currency))
    return int(value) if value == value.to_integral_value() else None
