# shellcheck shell=bash
# Sourced after interpreter.sh. Offers
#   debian_package NAME COMMAND   puts COMMAND in PATH, unpacked from Debian's package where it is not installed
#   debian_chromium               the same of chromium, with its libraries
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

# Puts Debian's `chromium` in PATH, unpacked with whatever it needs that is not installed: libraries, and fonts.
debian_chromium() {
  local folder=$environment/debian/chromium
  if [ ! -d "$folder" ] && ! command -v chromium >/dev/null && command -v apt-get >/dev/null; then
    echo "Unpacking Debian's chromium for the tests (100 MB) …" >&2
    mkdir -p "$folder"
    (cd "$folder" && fetch_chromium) >"$folder/fetch.log" 2>&1 || echo "Going on without chromium." >&2
  fi
  [ ! -x "$folder/bin/chromium" ] || PATH=$PATH:$folder/bin
  export PATH
}

fetch_chromium() {
  local needed libraries
  needed=$(packages_for chromium) || {
    [ "$(id -u)" = 0 ] || return 1
    timeout 120 apt-get update </dev/null && needed=$(packages_for chromium)
  } || return 1
  mkdir -p debs bin
  # shellcheck disable=SC2086 # a word each
  (cd debs && timeout 300 apt-get download $needed </dev/null) || {
    [ "$(id -u)" = 0 ] || return 1
    timeout 120 apt-get update </dev/null && (cd debs && timeout 300 apt-get download $needed </dev/null)
  } || return 1
  for archive in debs/*.deb; do dpkg-deb --extract "$archive" . || return 1; done
  rm -rf debs
  libraries=$(find "$PWD/usr/lib" "$PWD/lib" -name '*.so*' -exec dirname {} + 2>/dev/null | sort -u | paste -sd: -)
  cat >fonts.conf <<END
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>$PWD/usr/share/fonts</dir><cachedir>$PWD/font-cache</cachedir></fontconfig>
END
  cat >bin/chromium <<END
#!/bin/sh
export FONTCONFIG_FILE=$PWD/fonts.conf LD_LIBRARY_PATH=$libraries
exec $PWD/usr/lib/chromium/chromium "\$@"
END
  chmod +x bin/chromium
}

# Prints a package and those that it needs and the machine has not.
packages_for() {
  apt-get install --simulate --no-install-recommends "$1" fonts-dejavu-core </dev/null | sed -n 's/^Inst \([^ ]*\).*/\1/p' | grep .
}
