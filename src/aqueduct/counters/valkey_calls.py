"""Claims as they are written for Valkey's scripts, and what these reply."""

from collections.abc import Sequence
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
from aqueduct.counters.calls import Script, pack_keys
from aqueduct.counters.claims import Claim, Claims, Place, Window

RESERVED, _REFUSED, _UNSEEDED = 1, 0, 2
_FITS, _NOT_SEEDED, _NOBODY_KNOWS = 0, -2, -3
"""See `reserve.lua`, whose numbers they are."""

_MOST_SHAPES = 64


def _script(name: str) -> Script:
    return Script(resources.files(__package__).joinpath(f"{name}.lua").read_text())


RESERVE, SETTLE, RENEW, SEED, LAPSED = map(_script, ("reserve", "settle", "renew", "seed", "lapsed"))
SCRIPTS = (RESERVE, SETTLE, RENEW, SEED, LAPSED)


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


class Shape(NamedTuple):
    """A call but for its numbers: how many keys it has, these as they are sent, and what the numbers are put into."""

    keys: int
    packed_keys: bytes
    words: str


class WrittenClaims:
    """Claims written once for many requests: what is the same for all of them is not written again."""

    __slots__ = ("_budgets", "_claims", "_places", "_settlings", "_windows", "are_lasting", "names", "reserving")

    def __init__(self, names: "Keys", claims: Claims) -> None:
        self.names = names
        self._claims = claims
        self._windows = [at for at, claim in enumerate(claims) if type(claim) is Window]
        self._places = [at for at, claim in enumerate(claims) if type(claim) is Place]
        self._budgets = [at for at, claim in enumerate(claims) if type(claim) not in (Window, Place)]
        self.are_lasting = len(self._windows) < len(claims)
        """Whether they are held until they are settled, and lapse when they are not renewed."""
        self._settlings: dict[tuple[int, ...], Shape] = {}
        words = []
        for claim in claims:
            if type(claim) is Window:
                words.append(f"w %d {claim.limit} {claim.seconds}")
            elif type(claim) is Place:
                words.append(f"p %d {claim.limit} 0")
            else:
                words.append(f"b %d {claim.limit} {claim.is_hard:d}")
        keys = [key for claim in claims for key in names.of(claim)]
        self.reserving = Shape(len(keys) + 1, pack_keys([*keys, names.lapsed]), " ".join(words))

    def settling(self, made: Reservation, amounts: Sequence[int]) -> tuple[Shape, str] | None:
        """Return how a settlement is sent, and its words; None where it would change nothing.

        Windows that stay as they are do not appear, nor those of which it is not known whether they were counted in.
        """
        reserved = made.amounts
        changed: tuple[int, ...] = ()
        second = 0
        if isinstance(made, Held):
            second = made.second
            changed = tuple([at for at in self._windows if amounts[at] != reserved[at]])
        if not changed and not self.are_lasting:
            return None
        shape = self._settlings.get(changed)
        if shape is None:
            shape = self._shape(changed)
        numbers = [amounts[at] - reserved[at] for at in changed]
        for at in self._budgets:
            numbers += (reserved[at], amounts[at])
        return shape, shape.words % (made.name, second, *numbers)

    def _shape(self, changed: tuple[int, ...]) -> Shape:
        if len(self._settlings) >= _MOST_SHAPES:
            self._settlings.clear()
        claims = self._claims
        words = ["%s %d"]
        words += [f"w {claim.seconds} %d" for at in changed if type(claim := claims[at]) is Window]
        words += ["p 0 0" for _ in self._places]
        words += ["b %d %d" for _ in self._budgets]
        keys = [key for at in (*changed, *self._places, *self._budgets) for key in self.names.of(claims[at])]
        shape = self._settlings[changed] = Shape(len(keys), pack_keys(keys), " ".join(words))
        return shape


class Keys:
    """The names of counts at the server; the braces put all of them into one slot of a cluster."""

    def __init__(self, prefix: str) -> None:
        tag = "{" + prefix + "}"
        self.window = f"{tag}w:"
        self.place = f"{tag}p:"
        self.spent = f"{tag}b:"
        self.reserved = f"{tag}r:"
        self.lapsed = f"{tag}lapsed"

    def of(self, claim: Claim) -> list[str]:
        """Return the keys of a claim: of a budget two, what is spent and who reserved."""
        if type(claim) is Window:
            return [self.window + claim.key]
        if type(claim) is Place:
            return [self.place + claim.key]
        return [self.spent + claim.key, self.reserved + claim.key]

    def written(self, claims: Sequence[Claim]) -> WrittenClaims:
        """Return claims as they are written, once for every request that makes the same; raise `ValueError`."""
        if type(claims) is not Claims:
            return WrittenClaims(self, Claims(claims))
        found = claims.found
        if type(found) is not WrittenClaims or found.names is not self:
            found = claims.found = WrittenClaims(self, claims)
        return found

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


def read_reservation(claims: Sequence[Claim], amounts: Sequence[int], name: str, reply: Sequence[int]) -> Held:
    """Read the reply of `reserve.lua` that all claims were reserved."""
    end = 2 + len(claims)
    return Held(claims, amounts, reply[2:end], False, name, reply[1], reply[end:])


def read_refusal(claims: Sequence[Claim], reply: Sequence[int]) -> Refusal | Unseeded:
    """Read the reply of `reserve.lua` that nothing was reserved."""
    waits = reply[2 + 2 * len(claims) :]
    if reply[0] == _UNSEEDED:
        return Unseeded([claim.key for claim, wait in zip(claims, waits, strict=True) if wait == _NOT_SEEDED])
    refused = [Refused(claim, _wait_seconds(wait)) for claim, wait in zip(claims, waits, strict=True) if wait != _FITS]
    return Refusal(_standings(claims, reply), refused)


def _standings(claims: Sequence[Claim], reply: Sequence[int]) -> list[Standing]:
    end = 2 + len(claims)
    return [
        window_standing(claim.limit, used, reset_ms) if type(claim) is Window else lasting_standing(claim.limit, used)
        for claim, used, reset_ms in zip(claims, reply[2:end], reply[end : end + len(claims)], strict=True)
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
