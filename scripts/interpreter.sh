# shellcheck shell=bash
# Sourced by the other scripts, in bash 3.2 (macOS) too. Sets `root`, and offers
#   find_python      sets `python` to an interpreter that can make the environment, or ends the script saying why
#   set_up LAYER...  brings .venv up to date with requirements/LAYER.txt

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
environment=$root/.venv

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Prints what is wrong with an interpreter, nothing if it will do. A shim of pyenv exists and still does not run.
fault_of() {
  local version
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' </dev/null 2>/dev/null) || {
    echo "does not run"
    return
  }
  case $version in
    2.* | 3.[0-9] | 3.10) echo "is Python $version" ;;
    *) "$1" -c 'import ensurepip, venv' </dev/null >/dev/null 2>&1 || echo "lacks venv" ;;
  esac
}

find_python() {
  local candidate fault found='' lacks_venv=''
  if [ -n "${PYTHON:-}" ]; then
    fault=$(fault_of "$PYTHON")
    [ -z "$fault" ] || fail "PYTHON is set to $PYTHON, which $fault. Aqueduct needs Python 3.11 or newer, with venv."
    python=$PYTHON
    return
  fi
  for candidate in python3.14 python3.13 python3.12 python3.11 python3 python; do
    python=$(command -v "$candidate") || continue
    fault=$(fault_of "$python")
    [ -n "$fault" ] || return 0
    found="$found
  $python $fault"
    [ "$fault" != "lacks venv" ] || lacks_venv=$candidate
  done
  [ -z "$lacks_venv" ] || fail "$lacks_venv has no working venv module. On Debian and Ubuntu: apt install python3-venv$found"
  [ -z "$found" ] || fail "Aqueduct needs Python 3.11 or newer (or set PYTHON to one). Found only:$found"
  fail "Aqueduct needs Python 3.11 or newer, and there is no python3 in PATH (or set PYTHON to one)."
}

set_up() {
  if [ -x "$environment/bin/python" ] && "$environment/bin/python" "$root/scripts/environment.py" --is-current "$@"; then
    return
  fi 2>/dev/null
  find_python
  "$python" "$root/scripts/environment.py" "$@" || exit $?
}
