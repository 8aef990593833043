"""Forms: what was typed is kept, what is wrong with it is said at its field.

form = await visit.form()
name = form.text("name", required=True)
if form.is_valid:
    with form.refusals("name"):
        await Things(registry).create(visit.actor, name)
        return visit.redirect("/ui/things", f"Made {name}.")
return visit.render("things_new.html", form=form, status=422)
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from aqueduct.control.allowances import parse_amount
from aqueduct.errors import ControlError, InvalidValue, NotFound, SignInRefused

GENERAL = ""
"""The place of what is wrong with a form as a whole."""
MAX_CHARACTERS = 10_000
MISSING = "This is needed."


class Form:
    """What was typed, by the names of the fields, and what is wrong with it."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})
        self.errors: dict[str, str] = {}

    @property
    def is_valid(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self.errors

    def value(self, name: str, default: object = "") -> str:
        """Return what is in a field when the page is shown."""
        return self.values.get(name, "" if default is None else str(default))

    def error(self, name: str) -> str | None:
        """Return what is wrong with a field."""
        return self.errors.get(name)

    def fail(self, name: str, message: str) -> None:
        """Say what is wrong with a field; the first word stays."""
        self.errors.setdefault(name, message)

    @contextlib.contextmanager
    def refusals(self, name: str = GENERAL) -> Iterator[None]:
        """Take what a use case refuses for what is wrong with a field, or with the form as a whole.

        What does not exist is not the form's fault, and goes on to the page that says so.
        """
        try:
            yield
        except (NotFound, SignInRefused):
            raise
        except ControlError as error:
            self.fail(name, str(error))

    def text(self, name: str, *, required: bool = False, max_characters: int = MAX_CHARACTERS) -> str:
        """Read a line, without the blanks around it."""
        text = self.values.get(name, "").strip()
        if required and not text:
            self.fail(name, MISSING)
        elif len(text) > max_characters:
            self.fail(name, f"At most {max_characters} characters, please.")
        return text

    def secret(self, name: str) -> str:
        """Read a password as it was typed, and forget it: it is never shown again."""
        return self.values.pop(name, "")

    def is_checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.values.get(name) in ("on", "true", "1", "yes")

    def choice(self, name: str, choices: Mapping[str, object] | list[str], default: str) -> str:
        """Read one of several values."""
        text = self.values.get(name, "") or default
        if text not in choices:
            self.fail(name, "Choose one of the list.")
            return default
        return text

    def integer(self, name: str, *, at_least: int = 0, at_most: int = 10**15) -> int | None:
        """Read a whole number; None where nothing was typed. Thousands may be apart."""
        text = re.sub(r"[\s,_]", "", self.values.get(name, ""))
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,16}", text) or not at_least <= int(text) <= at_most:
            self.fail(name, f"Write a whole number from {at_least:,} to {at_most:,}.")
            return None
        return int(text)

    def amount(self, name: str) -> Decimal | None:
        """Read an amount of money; None where nothing was typed."""
        text = self.values.get(name, "").strip()
        if not text:
            return None
        try:
            return parse_amount(text)
        except InvalidValue as error:
            self.fail(name, str(error))
            return None

    def day_end(self, name: str) -> float | None:
        """Read a day and return its end (UTC) in seconds since the epoch; None where nothing was typed."""
        text = self.values.get(name, "").strip()
        if not text:
            return None
        try:
            begin = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            self.fail(name, "Write a day such as 2026-12-31.")
            return None
        if not 1970 <= begin.year <= 9000:
            self.fail(name, "Write a day between the years 1970 and 9000.")
            return None
        return (begin + timedelta(days=1)).timestamp()

    def words(self, name: str) -> tuple[str, ...]:
        """Read words that are parted by commas, blanks or lines."""
        return tuple(dict.fromkeys(each for each in re.split(r"[,\s]+", self.values.get(name, "")) if each))
