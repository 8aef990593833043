"""`scripts/serve` from the outside: on a small copy of the project whose lock is empty, so that nothing is fetched."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# The smallest build backend there can be: a wheel that only has the `aqueduct` command's entry point.
BACKEND = """
import zipfile
FILES = {
    "sample.py": "import sys\\ndef main(): print('started with', sys.argv[1:])\\n",
    "sample-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: sample\\nVersion: 1\\n",
    "sample-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "sample-1.dist-info/entry_points.txt": "[console_scripts]\\naqueduct = sample:main\\n",
}
def build_editable(directory, settings=None, metadata=None):
    name = "sample-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        for path, text in {**FILES, "sample-1.dist-info/RECORD": "".join(f"{path},,\\n" for path in FILES)}.items():
            wheel.writestr(path, text)
    return name
def build_wheel(directory, settings=None, metadata=None):
    raise NotImplementedError
"""


def plant(folder: Path) -> Path:
    """Lay out a clone of the project in `folder`, with an empty lock."""
    folder.mkdir()
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "requirements").mkdir()
    (folder / "requirements" / "serve.txt").write_text("# empty\n")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    return folder


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return {**kept, "PYTHON": sys.executable, "PIP_CONFIG_FILE": os.devnull, **changes}


def serve(tree: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("bash") or "bash", str(tree / "scripts" / "serve"), *arguments]
    env = environment() if env is None else env
    return subprocess.run(command, env=env, cwd=tree.parent, capture_output=True, text=True, timeout=120, check=False)


def only_these_commands(folder: Path, **scripts: str) -> dict[str, str]:
    """Return an environment whose PATH holds bash, dirname and the given scripts, nothing else."""
    folder.mkdir()
    for name in ("bash", "dirname"):
        (folder / name).symlink_to(shutil.which(name) or name)
    for name, text in scripts.items():
        (folder / name).write_text(f"#!{shutil.which('bash')}\n{text}\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def test_sets_up_once_then_just_starts_and_hands_every_argument_on(tmp_path: Path) -> None:
    tree = plant(tmp_path / "a clone")
    first = serve(tree, "--config", "my file.yaml")
    assert first.stdout == "started with ['serve', '--config', 'my file.yaml']\n", first.stderr
    assert "Installing what the gateway needs" in first.stderr
    second = serve(tree)
    assert (second.stdout, second.stderr) == ("started with ['serve']\n", "")

    (tree / "requirements" / "serve.txt").write_text("# changed\n")
    assert "Updating to the changed requirements/serve.txt" in serve(tree).stderr

    (tree / ".venv" / "aqueduct-set-up" / "unfinished").touch()
    leftover = tree / ".venv" / "lib" / "half-installed"
    leftover.touch()
    assert serve(tree).stdout == "started with ['serve']\n"
    assert not leftover.exists(), "an interrupted set-up was not started over"

    moved = tree.rename(tmp_path / "moved")
    assert serve(moved).stdout == "started with ['serve']\n"


def test_two_runs_at_once_set_up_only_once(tmp_path: Path) -> None:
    tree = plant(tmp_path / "clone")
    command = ["bash", str(tree / "scripts" / "serve")]
    both = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [process.communicate(timeout=120) for process in both]
    assert [out for out, _ in ends] == ["started with ['serve']\n"] * 2
    assert sum("Installing" in err for _, err in ends) == 1


def test_names_the_packages_index_when_it_cannot_be_reached(tmp_path: Path) -> None:
    tree = plant(tmp_path / "clone")
    (tree / "requirements" / "serve.txt").write_text("no-such-package==1 --hash=sha256:" + "0" * 64 + "\n")
    closed = environment(PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_NO_CACHE_DIR="1", PIP_RETRIES="0", no_proxy="*")
    ended = serve(tree, env=closed)
    assert ended.returncode == 1
    assert "The package index could not be reached" in ended.stderr


def test_says_that_python_is_too_old(tmp_path: Path) -> None:
    tree = plant(tmp_path / "clone")
    ended = serve(tree, env=only_these_commands(tmp_path / "bin", python3="echo 3.10"))
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: Aqueduct needs Python 3.11 or newer")
    assert f"{tmp_path}/bin/python3 is Python 3.10" in ended.stderr


def test_says_that_there_is_no_python(tmp_path: Path) -> None:
    ended = serve(plant(tmp_path / "clone"), env=only_these_commands(tmp_path / "bin"))
    assert ended.returncode == 1
    assert "there is no python3 in PATH" in ended.stderr


def test_names_the_missing_package_when_python_has_no_venv(tmp_path: Path) -> None:
    without_venv = 'case "$2" in *ensurepip*) exit 1 ;; esac; echo 3.12'
    env = only_these_commands(tmp_path / "bin", python3=without_venv)
    ended = serve(plant(tmp_path / "clone"), env=env)
    assert ended.returncode == 1
    assert "apt install python3-venv" in ended.stderr


def test_refuses_a_chosen_python_that_will_not_do(tmp_path: Path) -> None:
    ended = serve(plant(tmp_path / "clone"), env=environment(PYTHON="/nowhere/python"))
    assert ended.returncode == 1
    assert "PYTHON is set to /nowhere/python, which does not run" in ended.stderr


def test_says_that_the_disk_is_read_only(tmp_path: Path) -> None:
    tree = plant(tmp_path / "clone")
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*own_mounts, "true"], check=False).returncode != 0:
        pytest.skip("needs a mount namespace of its own")
    read_only = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec bash "$1/scripts/serve"'
    command = [*own_mounts, "bash", "-c", read_only, "bash", str(tree)]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr == f"error: {tree}/.venv.lock cannot be written to: Read-only file system.\n"
