"""Sends what belongs together to the same target without overloading it.

Rendezvous hashing: every request ranks the targets by a hash of its key and theirs, so that one target more or less
moves only the keys that were or will be its own. Bounded load: a target that carries a quarter more than its share is
passed over (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016).
"""

import math
from collections.abc import Sequence

from aqueduct.gateway.routing.grouping import fraction
from aqueduct.gateway.routing.traffic import TargetState

BOUND = 1.25


def rank(key: bytes, states: Sequence[TargetState]) -> list[TargetState]:
    """Return the targets in the key's own order; those that carry too much come last."""
    ranked = sorted(states, key=lambda state: _score(key, state), reverse=True)
    weight = sum(state.target.weight for state in states)
    in_flight = sum(state.in_flight for state in states) + 1

    def is_full(state: TargetState) -> bool:
        return state.in_flight + 1 > math.ceil(BOUND * in_flight * state.target.weight / weight)

    return sorted(ranked, key=is_full)


def _score(key: bytes, state: TargetState) -> float:
    """Weighted rendezvous: a target of twice the weight is first for twice the keys."""
    return -state.target.weight / math.log(fraction(key, state.id.encode()))
