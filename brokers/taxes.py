"""Tax on dividends by how long the shares were held."""

from __future__ import annotations

import calendar
import datetime as dt
from fractions import Fraction
from typing import NamedTuple

from nnstrategies.market.book import DividendTax


class Deferred(NamedTuple):
    """A dividend whose tax waits for the sale: ``gross`` in minor units, and the table in force on its ex-date."""

    gross: Fraction
    tax: DividendTax


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day ``months`` calendar months later, or that month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def rate(tax: DividendTax, acquired: dt.date, until: dt.date) -> Fraction:
    """Rate for shares held from ``acquired`` to ``until``: the first band whose last day is not before ``until``.

    A band of m months ends on the same day m calendar months after the purchase, that day included: bought on 15 May
    and sold on 15 May of the next year is a year, sold on 16 May is longer. Beyond the last band its rate stays.
    """
    for band in tax.bands:
        if band.months is None or until <= months_later(acquired, band.months):
            return Fraction(band.rate)
    return Fraction(tax.bands[-1].rate)


def half_up(amount: Fraction | int) -> int:
    """The nearest whole minor unit; a half goes up."""
    return int((2 * amount + 1) // 2)
