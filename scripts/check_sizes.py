"""Fails when a source file has more than 500 lines; there is no exemption list."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "bench", "scripts")
MAX_LINES = 500


def oversized() -> list[str]:
    """List the text files that git knows, or would take, with too many lines."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *FOLDERS]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    sizes = {name: lines(ROOT / name) for name in names if name and (ROOT / name).is_file()}
    return [f"{name}: {count} lines, {MAX_LINES} are allowed" for name, count in sizes.items() if count > MAX_LINES]


def lines(path: Path) -> int:
    """Count a source file's lines; what is not Python, shell or a template counts as none."""
    is_source = path.suffix in {".py", ".sh", ".html", ".css", ".js", ".conf", ""}
    return path.read_bytes().count(b"\n") if is_source else 0


if __name__ == "__main__":
    sys.exit("\n".join(oversized()) or None)
