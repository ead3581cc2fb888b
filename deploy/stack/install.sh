#!/usr/bin/env bash
# install.sh PACKAGE...: installs those Debian packages whose programs are missing.
# Touches apt only then; needs root only then.

set -Eeuo pipefail

present() {
  case $1 in
    # Debian keeps these off the search path, below a folder named after the version.
    rabbitmq-server) compgen -G '/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server' ;;
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' ;;
    build-essential) command -v cc ;;
    nodejs) command -v node ;;
    # Debian ships Python without the part that makes environments of their own.
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    *) command -v "$1" ;;
  esac >/dev/null
}

missing_of() {
  missing=()
  local package
  for package in "$@"; do
    present "$package" || missing+=("$package")
  done
}

missing_of "$@"
((${#missing[@]})) || exit 0

if ((EUID != 0)); then
  printf 'missing: %s. Run as root:\n  apt-get update && apt-get install -y --no-install-recommends %s\n' \
    "${missing[*]}" "${missing[*]}" >&2
  exit 1
fi

# Two checkouts may come here at once; the second finds the packages there.
exec 7>/run/lock/grantline-apt
flock -w 900 7 || {
  echo 'another installation has run for 15 minutes: giving up' >&2
  exit 1
}
missing_of "$@"
((${#missing[@]})) || exit 0

printf 'installing %s\n' "${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$log" 2>&1 7>&-; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
  tail -n 25 "$log" >&2
  printf 'apt-get could not install %s\n' "${missing[*]}" >&2
  exit 1
fi

missing_of "$@"
((${#missing[@]} == 0)) || {
  printf 'still missing after installation: %s\n' "${missing[*]}" >&2
  exit 1
}
