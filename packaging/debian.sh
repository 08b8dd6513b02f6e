#!/usr/bin/env bash
# Unpacks Debian's packages into a folder, and changes nothing else:
# packaging/debian.sh FOLDER "RELEASE COMPONENT" PACKAGE=VERSION...
#
# From where this machine has its own packages, which are left as they are. Needs apt-get and dpkg.
set -euo pipefail

folder=$1 where=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
test -n "$mirror" || {
  echo "packaging/debian.sh: apt knows no archive of Debian's" >&2
  exit 1
}
mkdir -p "$folder" "$work"/{lists/partial,archives/partial,packages}
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $where" \
  > "$work/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" -o APT::Sandbox::User=root "$@"
}
apt update
(cd "$work/packages" && apt download "$@")
for package in "$work"/packages/*.deb; do dpkg -x "$package" "$folder"; done
