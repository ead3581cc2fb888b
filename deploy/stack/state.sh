# shellcheck shell=bash disable=SC2034 # used by those that source this
# What one checkout keeps about its private servers: folders, ports, the password.
# Sourced, never run.

set -Eeuo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
stack=$root/.stack
env_file=$stack/env

say() { printf 'stack: %s\n' "$*"; }
die() {
  printf 'stack: %s\n' "$*" >&2
  exit 1
}

# PostgreSQL's user may pass through `.stack`; only its owner may look around in it.
make_folder() { (umask 066 && mkdir -p "$stack"); }

# Opens `.stack` and takes its lock, on descriptor 8, for the life of this script.
open_state() {
  make_folder
  (umask 077 && mkdir -p "$stack/servers" "$stack/ports" "$stack/log")
  # The records in a copied checkout name the servers of another one.
  if [[ -s $stack/checkout && $(<"$stack/checkout") != "$root" ]]; then
    die "$stack was made in $(<"$stack/checkout"). Stop the stack there if it still runs," \
      "remove $stack and run this again"
  fi
  printf '%s\n' "$root" >"$stack/checkout"
  exec 8>"$stack/lock"
  flock -w 300 8 || die "another up or down has held $stack/lock for 5 minutes"
}

# One password for RabbitMQ and PostgreSQL, made once. Hexadecimal, so that it needs no
# quoting in a URL.
password() {
  [[ -s $stack/password ]] ||
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$stack/password")
  cat "$stack/password"
}

# PostgreSQL refuses to run as root.
postgres_user=()
((EUID != 0)) || postgres_user=(setpriv --reuid=postgres --regid=postgres --clear-groups)

# Sets `home`, the folder of the servers' data: `.stack/data`, or one below /var/tmp where
# the user postgres may not enter the checkout, or where its path holds characters at which
# RabbitMQ's scripts split.
choose_home() {
  if [[ -s $stack/home && -d $(<"$stack/home") ]]; then
    home=$(<"$stack/home")
    return
  fi
  home=$stack/data
  if [[ $home =~ ^[A-Za-z0-9/._+-]+$ ]] && (cd / && "${postgres_user[@]}" test -x "$stack"); then
    mkdir -p "$home"
  else
    home=$(mktemp -d /var/tmp/grantline-stack.XXXXXX)
    say "PostgreSQL or RabbitMQ cannot use $stack: their data is in $home"
  fi
  chmod 0711 "$home"
  printf '%s\n' "$home" >"$stack/home"
}

listens() { (exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null; }

port_of() { cat "$stack/ports/$1" 2>/dev/null; }

# Keeps a port over restarts, so that URLs already handed out stay good, and takes another
# when somebody else listens there. Below 32768, where outgoing connections begin.
claim_port() {
  local port taken
  port=$(port_of "$1") && ! listens "$port" && return
  taken=$(cat "$stack"/ports/* 2>/dev/null || true)
  for _ in {1..100}; do
    port=$((20000 + SRANDOM % 12000))
    if ! grep -qx "$port" <<<"$taken" && ! listens "$port"; then
      printf '%s\n' "$port" >"$stack/ports/$1"
      return
    fi
  done
  die 'found no free port between 20000 and 31999'
}
