"""Asks the gateway that runs, over its admin API, for what only it knows: how its targets are at the moment."""

import httpx2
import msgspec

from aqueduct.cli.chat import error_message, find_token
from aqueduct.errors import ConfigurationError
from aqueduct.settings import Settings

_FORBIDDEN = 403
_TIMEOUT = httpx2.Timeout(10.0)

States = dict[tuple[str, int], str]
"""The words for each state, by the name of a target and the number of its key."""


class _Shown(msgspec.Struct):
    """The answer, as far as it is shown."""

    target: str
    key: int
    state: str
    reason: str | None = None
    open_until: str | None = None


class _Listed(msgspec.Struct):
    """All of it."""

    data: list[_Shown]


def read_states(settings: Settings, url: str | None) -> tuple[States, str | None]:
    """Return the state of each target by its name and key, and why none is known where that is so."""
    base_url = url or f"http://{settings.host}:{settings.port}"
    try:
        headers = {"authorization": f"Bearer {find_token(settings)}"}
        answer = httpx2.get(f"{base_url}/api/admin/targets", headers=headers, timeout=_TIMEOUT, trust_env=False)
        if answer.status_code != 200:
            said = error_message(answer.content) or f"status {answer.status_code}"
            if answer.status_code == _FORBIDDEN:
                said += " That takes the scope `targets:read`."
            return {}, f"The gateway at {base_url} does not say how its targets are: {said}"
        listed = msgspec.json.decode(answer.content, type=_Listed)
    except httpx2.HTTPError:
        return (
            {},
            f"No gateway answers at {base_url}, so that the states of targets are not known: --url names another.",
        )
    except msgspec.MsgspecError:
        return {}, f"What answers at {base_url} is not this version's gateway."
    except ConfigurationError as error:
        return {}, f"The states of targets are not known. {error}"
    return {(each.target, each.key): _state(each) for each in listed.data}, None


def _state(shown: _Shown) -> str:
    if shown.state == "closed":
        return "in use"
    why = (shown.reason or "").replace("_", " ")
    if shown.state == "half_open":
        return f"tried again after: {why}"
    return f"out ({why})" + ("" if shown.open_until is None else f" until {shown.open_until}")
