"""What is sent to Valkey: the scripts, their calls, and claims written as their keys and words."""

import asyncio
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, NamedTuple

from typing_extensions import override

from aqueduct.counters.answers import (
    MILLISECONDS,
    PLACE_WAIT_SECONDS,
    Refusal,
    Refused,
    Reservation,
    Standing,
    Unseeded,
    lasting_standing,
    window_standing,
)
from aqueduct.counters.claims import Claim, Place, Window
from aqueduct.counters.link import Call
from aqueduct.errors import CountersUnavailable

RESERVED, _REFUSED, _UNSEEDED = 1, 0, 2
_FITS, _NOT_SEEDED, _NOBODY_KNOWS = 0, -2, -3
"""See `reserve.lua`, whose numbers they are."""

SCRIPTS = {
    name: resources.files(__package__).joinpath(f"{name}.lua").read_text()
    for name in ("reserve", "settle", "renew", "seed", "lapsed")
}


class Held(Reservation):
    """A reservation with the second that its windows counted it in, and how long each stays in use."""

    second: int = 0
    resets_ms: Sequence[int] = ()

    @override
    def reset_ms(self, at: int) -> int | None:
        return self.resets_ms[at] if type(self.claims[at]) is Window else None


class Lapsed(NamedTuple):
    """Money that was reserved of a budget by a gateway that went silent."""

    key: str
    amount: int
    name: str


class Keys:
    """The names of counts at the server; the braces put all of them into one slot of a cluster."""

    def __init__(self, prefix: str) -> None:
        tag = "{" + prefix + "}"
        self.window = f"{tag}w:"
        self.place = f"{tag}p:"
        self.spent = f"{tag}b:"
        self.reserved = f"{tag}r:"
        self.lapsed = f"{tag}lapsed"

    def of_reserving(self, claims: Sequence[Claim], amounts: Sequence[int]) -> tuple[list[str], str]:
        """Return the keys and the words of claims to be reserved."""
        keys: list[str] = []
        words: list[str] = []
        for claim, amount in zip(claims, amounts, strict=True):
            if type(claim) is Window:
                keys.append(self.window + claim.key)
                words.append(f"w {amount} {claim.limit} {claim.seconds}")
            elif type(claim) is Place:
                keys.append(self.place + claim.key)
                words.append(f"p 1 {claim.limit} 0")
            else:
                keys += (self.spent + claim.key, self.reserved + claim.key)
                words.append(f"b {amount} {claim.limit} {claim.is_hard:d}")
        if len(set(keys)) != len(keys):
            raise ValueError("two claims of a request have the same key")
        keys.append(self.lapsed)
        return keys, " ".join(words)

    def of_settling(self, made: Reservation, amounts: Sequence[int]) -> tuple[list[str], str]:
        """Return the keys and the words of what is to be changed.

        Windows that stay as they are do not appear, nor those of which it is not known whether they were counted in.
        """
        second = made.second if isinstance(made, Held) else None
        keys: list[str] = []
        words: list[str] = []
        for claim, reserved, amount in zip(made.claims, made.amounts, amounts, strict=True):
            if type(claim) is Window:
                if amount != reserved and second is not None:
                    keys.append(self.window + claim.key)
                    words.append(f"w {second} {claim.seconds} {amount - reserved}")
            elif type(claim) is Place:
                keys.append(self.place + claim.key)
                words.append(f"p {made.name} 0 0")
            else:
                keys += (self.spent + claim.key, self.reserved + claim.key)
                words.append(f"b {made.name} {reserved} {amount}")
        return keys, " ".join(words)

    def of_recovering(self, lapsed: Lapsed, spent: int) -> tuple[list[str], str]:
        """Return the keys and the words of what is found out about a reservation that lapsed."""
        return [self.spent + lapsed.key, self.reserved + lapsed.key], f"l {lapsed.name} {lapsed.amount} {spent}"

    def of_renewing(self, held: Held) -> tuple[list[str], list[str]]:
        """Return two keys and one word for each count that forgets a reservation which nobody renews."""
        keys: list[str] = []
        members: list[str] = []
        for claim, amount in zip(held.claims, held.amounts, strict=True):
            if type(claim) is Place:
                keys += (self.place + claim.key,) * 2
                members.append(held.name)
            elif type(claim) is not Window:
                keys += (self.reserved + claim.key, self.spent + claim.key)
                members.append(f"{amount}:{held.name}")
        return keys, members


class Question(Call):
    """A call whose reply somebody waits for; a reply that comes when nobody does goes to `on_abandoned`."""

    __slots__ = ("_on_abandoned", "reply")

    def __init__(
        self, script: str, keys: list[str], argument: str, on_abandoned: Callable[[Any], None] | None = None
    ) -> None:
        super().__init__(script, keys, argument)
        self.reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._on_abandoned = on_abandoned

    @override
    def answer(self, reply: Any) -> None:
        if not self.reply.done():
            self.reply.set_result(reply)
        elif self._on_abandoned is not None:
            self._on_abandoned(reply)

    @override
    def expire(self) -> None:
        if not self.reply.done():
            error = CountersUnavailable("Limits cannot be checked at the moment. Try again shortly.")
            error.may_have_reserved = True
            self.reply.set_exception(error)

    lose = expire


def read_reservation(claims: Sequence[Claim], amounts: Sequence[int], name: str, reply: Sequence[int]) -> Held:
    """Read the reply of `reserve.lua` that all claims were reserved."""
    return Held(claims, amounts, reply[2::3], False, name, reply[1], reply[3::3])


def read_refusal(claims: Sequence[Claim], reply: Sequence[int]) -> Refusal | Unseeded:
    """Read the reply of `reserve.lua` that nothing was reserved."""
    waits = reply[4::3]
    if reply[0] == _UNSEEDED:
        return Unseeded([claim.key for claim, wait in zip(claims, waits, strict=True) if wait == _NOT_SEEDED])
    refused = [Refused(claim, _wait_seconds(wait)) for claim, wait in zip(claims, waits, strict=True) if wait != _FITS]
    return Refusal(_standings(claims, reply), refused)


def _standings(claims: Sequence[Claim], reply: Sequence[int]) -> list[Standing]:
    return [
        window_standing(claim.limit, used, reset_ms) if type(claim) is Window else lasting_standing(claim.limit, used)
        for claim, used, reset_ms in zip(claims, reply[2::3], reply[3::3], strict=True)
    ]


def _wait_seconds(wait: int) -> float | None:
    if wait == _NOBODY_KNOWS:
        return PLACE_WAIT_SECONDS
    return wait / MILLISECONDS if wait > 0 else None


def read_lapsed(reply: Sequence[Any]) -> tuple[tuple[int, str], list[Lapsed]]:
    """Read the reply of `lapsed.lua`: where the next page begins, and this one."""
    found = []
    for key, member in zip(reply[2::2], reply[3::2], strict=True):
        amount, _, name = member.decode().partition(":")
        found.append(Lapsed(key.decode(), int(amount), name))
    return (int(reply[0]), reply[1].decode()), found
