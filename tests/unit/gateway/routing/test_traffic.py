"""What is known of targets, by requests that began before and after a change of the config."""

import random

import msgspec
from tests.unit.gateway.routing.simulation import target

from aqueduct.domain.routing import TargetLimits
from aqueduct.gateway.routing.traffic import Traffic


def test_a_request_that_began_before_a_reload_does_not_bring_the_old_limits_back() -> None:
    old = target("a")
    new = msgspec.structs.replace(old, limits=TargetLimits(requests_per_minute=5))
    traffic = Traffic(lambda: 0.0, random.Random(1))
    traffic.retain([old])
    traffic.retain([new])
    traffic.begin(old, None, is_stream=False)
    state = traffic.state(new)
    assert (state.target, state.limits) == (new, new.limits)
    assert traffic.state(old) is state
