"""One GGUF file, served by llama.cpp in a supervised child process."""

import importlib.util
import os
import sys
from pathlib import Path

from typing_extensions import override

from aqueduct.errors import ConfigurationError
from aqueduct.local.child import ChildConfig
from aqueduct.local.process import Introduction, Timing
from aqueduct.local.supervisor import SupervisedChild

_GGUF_MAGIC = b"GGUF"


class Options(Timing, frozen=True, kw_only=True):
    """How the child runs and how long it may take.

    `name` is what answers call the model; None takes the file's. `threads` is None for one fewer than the machine has:
    the gateway needs a core too. `context_tokens` is for each of the `slots`, the requests generated at the same time.
    """

    name: str | None = None
    threads: int | None = None
    slots: int = 4
    context_tokens: int = 3072


class LocalModel(SupervisedChild):
    """One model file that is served."""

    def __init__(self, model_path: Path, options: Options | None = None) -> None:
        options = options or Options()
        super().__init__(_LlamaCpp(model_path, options), options)

    @override
    async def start(self) -> None:
        _require_extra()
        await super().start()


class _LlamaCpp:
    """The program: `child.py` with one file."""

    module = "aqueduct.local.child"
    label = "local model"
    failed = "local model failed"
    serves = "local model serves"

    def __init__(self, model_path: Path, options: Options) -> None:
        self.name = model_path.name
        self._model_path = model_path
        self._options = options

    def problem(self) -> str | None:
        """Say what is wrong with the file."""
        try:
            with self._model_path.open("rb") as file:
                magic = file.read(len(_GGUF_MAGIC))
        except OSError as error:
            return f"the model file {self._model_path} cannot be read: {error.strerror or error}"
        return None if magic == _GGUF_MAGIC else f"{self._model_path} is not a GGUF file"

    def config(self, introduction: Introduction) -> ChildConfig:
        """Return what the child is told."""
        return ChildConfig(
            model_path=str(self._model_path),
            name=self._options.name or self._model_path.stem,
            api_key=introduction.api_key,
            parent_pid=introduction.parent_pid,
            threads=self._options.threads or max(1, _cores() - 1),
            slots=self._options.slots,
            context_tokens=self._options.context_tokens,
            beat_seconds=introduction.beat_seconds,
        )


def _cores() -> int:
    """Return how many cores this process may use; a container often has fewer than the machine."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _require_extra() -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(
            "a provider of kind 'local' needs llama.cpp, which is not installed: "
            "run `pip install 'aqueduct-gateway[local]'`, or take the provider out of the config"
        )
