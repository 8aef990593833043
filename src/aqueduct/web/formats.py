"""How numbers, amounts and instants are written on pages."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from markupsafe import Markup, escape

from aqueduct.domain.money import NANO, written

SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k"))
AGO = (
    (86_400 * 730, 86_400 * 365, "year"),
    (86_400 * 92, 86_400 * 30, "month"),
    (86_400, 86_400, "day"),
    (3_600, 3_600, "hour"),
    (60, 60, "minute"),
)
"""From how many seconds on a distance is told in a unit of so many seconds."""
BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
TICKED = re.compile(r"`([^`]+)`")


def number(value: float) -> str:
    """Write a whole number with its thousands apart: `1,234,567`."""
    return f"{value:,.0f}"


def short_number(value: float) -> str:
    """Write a number in few digits: `12.3k`, `4.5M`."""
    for step, sign in STEPS:
        if value >= step:
            scaled = value / (1e3 if sign == "k" else step)
            return f"{scaled:.1f}".removesuffix(".0") + sign
    return number(value)


def money(amount: Decimal, currency: str = "USD") -> str:
    """Write an amount to the cent, or as small as it is where it is less than that: `$12.50`, `$0.000042`."""
    if amount == 0 or abs(amount) >= 1:
        text = f"{amount:,.2f}"
    else:
        text = written(int((amount.quantize(Decimal("1e-6")) or amount) * NANO))
    sign = SIGNS.get(currency)
    return f"{text} {currency}" if sign is None else f"-{sign}{text[1:]}" if amount < 0 else f"{sign}{text}"


def costs(amounts: Mapping[str, Decimal]) -> str:
    """Write amounts in several currencies."""
    return " + ".join(money(amount, currency) for currency, amount in sorted(amounts.items())) or money(Decimal(0))


def instant(at: float) -> str:
    """Write an instant in UTC, to the minute; `static/app.js` puts it into the reader's own time."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def iso(at: float) -> str:
    """Write an instant for programs."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def day(at: float) -> str:
    """Write a day, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def relative(at: float, now: float) -> str:
    """Write how far an instant is from now: `3 hours ago`, `in 12 days`."""
    distance = abs(at - now)
    for least, seconds, unit in AGO:
        if distance >= least:
            count = round(distance / seconds) if unit == "day" else int(distance // seconds)
            text = f"{count} {unit}{'s' * (count > 1)}"
            return f"in {text}" if at > now else f"{text} ago"
    return "in a moment" if at > now else "just now"


def percent(part: Decimal | float, whole: Decimal | float) -> int:
    """Return how much of a whole a part is, from 0 to 100."""
    return 0 if not whole else max(0, min(100, round(float(part) / float(whole) * 100)))


def ticks(text: str) -> Markup:
    """Write what stands between backticks in our messages as code; everything else in it is escaped."""
    return Markup(TICKED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped in the same expression


def browser(user_agent: str | None) -> str:
    """Name the browser and the system of a user agent, as far as it is one that people have."""
    text = user_agent or ""
    found = [next((label for sign, label in signs if sign in text), None) for signs in (BROWSERS, SYSTEMS)]
    if found[0] is None:
        return text[:60] or "unknown"
    return " on ".join(each for each in found if each)
