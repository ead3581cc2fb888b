# shellcheck shell=bash
# What one checkout knows about its private servers, and how it starts and ends them.
# Sourced, never run.
#
# Every server is the leader of a session of its own, so that Ctrl-C at a terminal does not
# reach it. `.stack/servers/NAME` holds the leader's process id and its start time: a reused
# id is never taken for ours, and nothing is ever looked up by a process name.

set -Eeuo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
stack=$root/.stack
env_file=$stack/env

# Seconds. A loaded machine takes 15 for RabbitMQ.
readonly START_DEADLINE=90 STOP_DEADLINE=30 LOCK_DEADLINE=300

say() { printf 'stack: %s\n' "$*"; }
die() {
  printf 'stack: %s\n' "$*" >&2
  exit 1
}

open_state() {
  mkdir -p -m 0711 "$stack"
  (umask 077 && mkdir -p "$stack/servers" "$stack/ports" "$stack/log")
  # A copied checkout brings along records that name another checkout's servers.
  if [[ -s $stack/checkout && $(<"$stack/checkout") != "$root" ]]; then
    die ".stack was made in $(<"$stack/checkout"): stop the stack there if it still runs," \
      "then remove $stack and run this again"
  fi
  printf '%s\n' "$root" >"$stack/checkout"
  exec 8>"$stack/lock"
  flock -w "$LOCK_DEADLINE" 8 || die "another up or down has held $stack/lock for ${LOCK_DEADLINE} s"
}

# One password for RabbitMQ and PostgreSQL, made once; letters and digits only, so that it
# needs no quoting in a URL.
password() {
  [[ -s $stack/password ]] ||
    (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$stack/password")
  cat "$stack/password"
}

# ---- folders -------------------------------------------------------------------------

as_postgres() {
  if ((EUID == 0)); then
    setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
  else
    "$@"
  fi
}

# Sets `home`, the folder of the servers' data: `.stack/data`, or one below /var/tmp where
# the user postgres may not enter the checkout, or where its path holds characters that
# RabbitMQ's scripts split at.
choose_home() {
  if [[ -s $stack/home && -d $(<"$stack/home") ]]; then
    home=$(<"$stack/home")
    return
  fi
  home=$stack/data
  if [[ $home =~ ^[A-Za-z0-9/._+-]+$ ]] && (cd / && as_postgres test -x "$stack"); then
    mkdir -p "$home"
  else
    home=$(mktemp -d /var/tmp/grantline-stack.XXXXXX)
    say "the servers' data is in $home: the user postgres cannot use $stack"
  fi
  chmod 0711 "$home"
  printf '%s\n' "$home" >"$stack/home"
}

# ---- ports ---------------------------------------------------------------------------

listens() { (exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null; }

port_of() { cat "$stack/ports/$1" 2>/dev/null; }

# Keeps a server's port over restarts, so that URLs already handed out stay good; takes
# another when somebody else listens there. Stays below the ports of outgoing connections.
claim_port() {
  local port
  port=$(port_of "$1") && ! listens "$port" && return
  local taken
  taken=$(cat "$stack"/ports/* 2>/dev/null || true)
  for _ in {1..100}; do
    port=$((20000 + SRANDOM % 12000))
    if ! grep -qx "$port" <<<"$taken" && ! listens "$port"; then
      printf '%s\n' "$port" >"$stack/ports/$1"
      return
    fi
  done
  die "no free port between 20000 and 31999"
}

# ---- processes -----------------------------------------------------------------------

# `state session start` of a process, or nothing. The name in /proc/PID/stat may hold any
# character, hence the cut after the last parenthesis.
stat_of() {
  local line
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  local fields
  read -ra fields <<<"${line##*) }"
  printf '%s %s %s\n' "${fields[0]}" "${fields[3]}" "${fields[19]}"
}

# The live processes of a server, one a line. A process that is dead but not yet reaped does
# not count. Where the leader is gone its session's number cannot be reused before the last
# member is gone too.
members() {
  [[ -s $stack/servers/$1 ]] || return 0
  local leader start line state session started
  read -r leader start <"$stack/servers/$1"
  read -r _ _ started <<<"$(stat_of "$leader")" || true
  [[ -z ${started:-} || $started == "$start" ]] || return 0
  for entry in /proc/[0-9]*/stat; do
    line=$(stat_of "$(basename "$(dirname "$entry")")")
    read -r state session _ <<<"$line" || true
    [[ ${session:-} == "$leader" && $state != [ZX] ]] && basename "$(dirname "$entry")"
  done
  return 0
}

# launch NAME COMMAND...: starts a server in the background and records it.
launch() {
  local name=$1 log=$stack/log/$1.log pid start
  shift
  [[ ! -e $log ]] || mv "$log" "$log.old"
  # The locks must not live on in the server, hence 8 and 9.
  (cd / && exec setsid "$@" </dev/null >"$log" 2>&1 8>&- 9>&-) &
  pid=$!
  read -r _ _ start <<<"$(stat_of "$pid")" || true
  printf '%s %s\n' "$pid" "${start:-0}" >"$stack/servers/$name"
}

# wait_until SECONDS COMMAND...: true as soon as the command is.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}

dead() { [[ -z $(members "$1") ]]; }

ready_or_dead() { "${1}_ready" || dead "$1"; }

# ensure NAME: leaves the server ready. One that lives gets the time to become so; one that
# is dead, or lives and does not answer, is started anew.
ensure() {
  local name=$1
  if ! dead "$name"; then
    wait_until "$START_DEADLINE" ready_or_dead "$name" || true
    if "${name}_ready"; then
      return
    fi
    say "$name does not answer: starting it again"
    stop "$name"
  elif [[ -e $stack/servers/$name ]]; then
    say "$name has died: starting it again"
  else
    say "starting $name"
  fi
  "${name}_start"
  wait_until "$START_DEADLINE" ready_or_dead "$name" || true
  "${name}_ready" || give_up "$name"
  started=1
}

give_up() {
  local why="is not ready after ${START_DEADLINE} s"
  ! dead "$1" || why="ended while starting"
  stop "$1"
  {
    printf 'stack: %s %s. The end of %s:\n' "$1" "$why" "$stack/log/$1.log"
    tail -n 25 "$stack/log/$1.log" | sed 's/^/  | /'
    printf 'stack: `make stack-down PURGE=1` removes all data, for a start from nothing\n'
  } >&2
  exit 1
}

# ask NAME: asks a server to end. `NAME_stop_signal PID` names the signal for each member, or
# nothing where the member ends with another.
ask() {
  local pid signal
  for pid in $(members "$1"); do
    signal=$("${1}_stop_signal" "$pid")
    [[ -z $signal ]] || kill -s "$signal" "$pid" 2>/dev/null || true
  done
}

# stop NAME: a clean end within the deadline, a hard one after it.
stop() {
  local name=$1 pid
  ask "$name"
  if ! wait_until "$STOP_DEADLINE" dead "$name"; then
    say "$name has not ended within ${STOP_DEADLINE} s: killing it"
    for pid in $(members "$name"); do
      kill -s KILL "$pid" 2>/dev/null || true
    done
    wait_until "$STOP_DEADLINE" dead "$name" || die "$name cannot be killed"
  fi
  rm -f "$stack/servers/$name"
}
