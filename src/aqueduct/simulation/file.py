"""Reads a scenario file, and holds it against what is served; whatever is wrong is told with its line."""

import difflib
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from aqueduct.config.load import read_source
from aqueduct.domain.snapshot import Snapshot
from aqueduct.gateway.forecast import reachable
from aqueduct.simulation.scenario import Scenario


def read_scenario(path: Path, environment: Mapping[str, str], snapshot: Snapshot) -> Scenario:
    """Return the scenario; raise `ConfigurationError` with the line at fault."""
    source = read_source(path, environment)
    scenario = source.convert(Scenario)
    names = {target.name for model in snapshot.models for target in reachable(model, snapshot)}
    for index, traffic in enumerate(scenario.traffic):
        where = f"$.traffic[{index}]"
        if traffic.model not in snapshot.by_name and snapshot.wildcard is None:
            known = snapshot.by_name
            raise source.error(
                f"{where}.model", f"the model '{traffic.model}' is not served{_hint(traffic.model, known)}"
            )
        if traffic.end is not None and traffic.end <= traffic.start:
            raise source.error(f"{where}.end", "the traffic ends before it begins")
        if traffic.start >= scenario.duration:
            raise source.error(f"{where}.start", f"the simulation is over after {scenario.duration:g} seconds")
    for index, target in enumerate(scenario.targets):
        if not any(fnmatchcase(name, target.target) for name in names):
            hint = _hint(target.target, names)
            raise source.error(f"$.targets[{index}].target", f"no target is called '{target.target}'{hint}")
    return scenario


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean '{near[0]}'?)" if near else f" (known: {', '.join(sorted(known)) or 'none'})"
