# shellcheck shell=bash
# Sourced after interpreter.sh. Offers
#   debian_package NAME COMMAND   puts COMMAND in PATH, unpacked from Debian's package where it is not installed
#
# The package is unpacked under .venv, so that it starts no service, changes nothing on the machine and needs no root.
# What cannot be had is left out: the tests that need it say that they skip.

debian_package() {
  local name=$1 command=$2 folder=$environment/debian/$1
  if [ ! -d "$folder" ] && ! command -v "$command" >/dev/null && command -v apt-get >/dev/null; then
    echo "Unpacking Debian's $name for the tests …" >&2
    mkdir -p "$folder"
    (cd "$folder" && fetch_package "$name") >"$folder/fetch.log" 2>&1 || echo "Going on without $name." >&2
  fi
  [ ! -d "$folder/usr/sbin" ] || PATH=$PATH:$folder/usr/sbin
  [ ! -d "$folder/usr/bin" ] || PATH=$PATH:$folder/usr/bin
  export PATH
}

# The package lists of a new machine are missing or old; only root can renew them.
fetch_package() {
  timeout 60 apt-get download "$1" </dev/null || {
    [ "$(id -u)" = 0 ] || return 1
    timeout 120 apt-get update </dev/null && timeout 60 apt-get download "$1" </dev/null
  } || return 1
  dpkg-deb --extract "$1"_*.deb . && rm -f "$1"_*.deb
}
