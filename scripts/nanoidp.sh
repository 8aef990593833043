# shellcheck shell=bash
# Sourced after interpreter.sh. Offers
#   set_up_nanoidp   brings .venv/nanoidp up to date with requirements/identity.txt
#
# An identity provider for the tests of signing in. It is an application with dependencies of its own, so it has an
# environment of its own. What cannot be had is left out: the tests that need it say that they skip, and fail on CI.

set_up_nanoidp() {
  local folder=$environment/nanoidp lock=$root/requirements/identity.txt
  cmp -s "$lock" "$folder/installed.txt" && return
  echo "Installing the identity provider for the tests …" >&2
  "$environment/bin/python" -m venv --clear "$folder" &&
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes \
      --only-binary :all: -r "$lock" >"$folder/install.log" 2>&1 &&
    cp "$lock" "$folder/installed.txt" || echo "Going on without it: see $folder/install.log." >&2
}
