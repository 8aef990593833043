"""Sends requests to the child that runs LiteLLM's SDK: one for all providers of the kind, and none without them."""

from typing import Generic, TypeVar

from aqueduct.domain.http import Timeouts, UpstreamRequest
from aqueduct.errors import TargetDown
from aqueduct.local.litellm.child import ChildConfig
from aqueduct.local.process import Introduction, Timing
from aqueduct.local.supervisor import SupervisedChild
from aqueduct.local.transport import HttpTransport, send_to_child

R_co = TypeVar("R_co", covariant=True)
TIMING = Timing(ready_timeout_seconds=120.0)
"""On a busy machine the SDK's import alone takes a minute."""


class LitellmTransport(Generic[R_co]):
    """The child, from the first config that wants it to the last."""

    def __init__(self, http: HttpTransport[R_co], timing: Timing = TIMING) -> None:
        self._http = http
        self._timing = timing
        self._child: SupervisedChild | None = None

    async def start(self, *, is_wanted: bool) -> None:
        """Run the child if it is wanted and does not run."""
        if is_wanted and self._child is None:
            self._child = SupervisedChild(_Litellm(), self._timing)
            await self._child.start()

    async def retire(self, *, is_wanted: bool) -> None:
        """End the child if it is not wanted; call it when no new request can resolve to it any more."""
        child = None if is_wanted else self._child
        if child is not None:
            self._child = None
            await child.close()

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> R_co:
        """Wait until the child is ready and send the request to it."""
        if self._child is None:
            raise TargetDown("no provider of the config is of kind 'litellm' any more")
        return await send_to_child(self._http, self._child, request, timeouts)

    async def close(self) -> None:
        """End the child."""
        await self.retire(is_wanted=False)


class _Litellm:
    """The program: `child.py`. That the SDK is installed is checked with the config."""

    module = "aqueduct.local.litellm.child"
    label = "process of"
    failed = "LiteLLM failed"
    serves = "LiteLLM serves"
    name = "LiteLLM"

    def problem(self) -> str | None:
        """Nothing that could be known without importing it."""
        return None

    def config(self, introduction: Introduction) -> ChildConfig:
        """Return what the child is told."""
        return ChildConfig(
            api_key=introduction.api_key,
            parent_pid=introduction.parent_pid,
            beat_seconds=introduction.beat_seconds,
        )
