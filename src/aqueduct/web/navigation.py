"""The pages in the side bar: one list, with who gets to see each."""

from collections.abc import Callable
from dataclasses import dataclass

from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import Role

May = Callable[[Actor], bool]


def anybody(_actor: Actor) -> bool:
    """For everybody who is signed in."""
    return True


def leaders(actor: Actor) -> bool:
    """For whoever administers a team, an organisation or the installation."""
    return bool(actor.led_team_ids) or actor.role is not Role.MEMBER


def organisation_administrators(actor: Actor) -> bool:
    """For whoever administers an organisation or the installation."""
    return actor.role is not Role.MEMBER


def administrators(actor: Actor) -> bool:
    """For whoever administers the installation."""
    return actor.role is Role.ADMIN


@dataclass(frozen=True)
class Entry:
    """A page in the side bar: where it is, its name, its icon in `templates/icons.html`, and who gets to see it."""

    path: str
    label: str
    icon: str
    may: May = anybody


@dataclass(frozen=True)
class Section:
    """Pages that belong together; a label of None stands for none."""

    label: str | None
    entries: tuple[Entry, ...]


SECTIONS = (
    Section(
        None,
        (
            Entry("/ui/", "Home", "home"),
            Entry("/ui/tokens", "Tokens", "key"),
        ),
    ),
    Section("Administration", ()),
)
"""A page is listed here once it exists. Icons there are for those to come: play, cube, chart, list, people, person,
robot, building, plug, book, bell, sliders, pulse."""


def visible(actor: Actor) -> list[Section]:
    """Return the sections with those entries that somebody gets to see."""
    found = [Section(each.label, tuple(entry for entry in each.entries if entry.may(actor))) for each in SECTIONS]
    return [section for section in found if section.entries]
