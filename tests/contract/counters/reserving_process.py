"""A gateway's process, as far as counters go: reserves when told to on standard input, and says what it got.

Arguments: the URL, the prefix, the life of a place in seconds. A line `reserve LIMIT TIMES` reserves so often;
the answer is how many got through. The process holds on to them until it ends.
"""

import asyncio
import sys

import uvloop

from aqueduct.counters.answers import Reservation
from aqueduct.counters.claims import Budget, Place, Window
from aqueduct.counters.valkey import ValkeyCounters


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(url: str, prefix: str, life_seconds: str) -> None:
    async with ValkeyCounters(url, prefix=prefix, life_seconds=float(life_seconds), timeout_seconds=30) as counters:
        say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            _, limit, times = line.split()
            claims = (
                Window("requests", int(limit)),
                Place("place", int(limit)),
                Budget("money", int(limit) * 10, 10),
            )
            answers = await asyncio.gather(*(counters.reserve(claims) for _ in range(int(times))))
            say(str(sum(isinstance(answer, Reservation) for answer in answers)))


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
