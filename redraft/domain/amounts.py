"""Amounts of money, as people type them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from redraft.domain.errors import invalid

_DIGITS = 9
_BOUND = 10**9


def usd_of(field: str, text: str, *, zero: bool = True) -> Decimal:
    """Return an amount of US dollars. Raises INVALID for one that is none, and for 0 unless `zero` is allowed."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation as error:
        raise invalid(field, "give a number of US dollars, such as 25 or 2.50") from error
    if not amount.is_finite() or not 0 <= amount < _BOUND or (amount == 0 and not zero):
        raise invalid(field, f"give {'0 or more' if zero else 'more than 0'}, below {_BOUND:,}, in US dollars")
    if -int(amount.as_tuple().exponent) > _DIGITS:
        raise invalid(field, f"give at most {_DIGITS} decimal places")
    return amount
