# shellcheck shell=bash disable=SC2034,SC2154 # shared with state.sh and up.sh
# How a server is started, found again and ended. Sourced, never run.
#
# Every server leads a session of its own, so that Ctrl-C at a terminal does not reach it.
# `.stack/servers/NAME` holds the leader's process id and start time: a reused id is never
# taken for ours, and nothing is ever looked up by a program's name.
#
# A server NAME is three functions: NAME_start, NAME_ready and NAME_stop_signal.

# Seconds. RabbitMQ takes 15 on a loaded machine.
readonly START_DEADLINE=90 STOP_DEADLINE=30

# Sets `state`, `session` and `born` of a process; empty where there is none. The program's
# name may hold any character, hence the cut after the last parenthesis.
look_at() {
  local line='' fields=()
  IFS= read -r -d '' line 2>/dev/null <"/proc/$1/stat" || true
  read -ra fields <<<"${line##*) }" || true
  state=${fields[0]:-} session=${fields[3]:-} born=${fields[19]:-}
}

# Sets `members` to the live processes of a server, its leader first; a process that is dead
# and not yet reaped does not count. The number of a session is not reused while it has any
# member, so an orphaned one is still ours.
find_members() {
  members=()
  [[ -s $stack/servers/$1 ]] || return 0
  local leader leader_born folder state session born
  read -r leader leader_born <"$stack/servers/$1"
  look_at "$leader"
  if [[ -n $born ]]; then
    [[ $born == "$leader_born" ]] || return 0
    [[ $state == [ZX] ]] || members=("$leader")
  fi
  for folder in /proc/[0-9]*; do
    look_at "${folder#/proc/}"
    if [[ $session == "$leader" && $state != [ZX] && ${folder#/proc/} != "$leader" ]]; then
      members+=("${folder#/proc/}")
    fi
  done
}

dead() {
  local members
  find_members "$1"
  ((${#members[@]} == 0))
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

# record NAME PID
record() {
  local state session born
  look_at "$2"
  printf '%s %s\n' "$2" "${born:-0}" >"$stack/servers/$1"
}

# launch NAME COMMAND...: starts a server in the background and records it.
launch() {
  local name=$1 log=$stack/log/$1.log pid
  shift
  [[ ! -e $log ]] || mv "$log" "$log.old"
  # A server must not hold on to the locks of up.sh and with.sh: 8 and 9.
  (cd / && exec setsid "$@" </dev/null 8>&- 9>&-) >"$log" 2>&1 &
  pid=$!
  record "$name" "$pid"
  wait_until 10 leads_or_ended "$pid" || die "$name did not get a session of its own"
}

leads_or_ended() {
  local state session born
  look_at "$1"
  [[ $session == "$1" || -z $state || $state == [ZX] ]]
}

# A port alone proves nothing: another program may have taken it.
ready() { ! dead "$1" && "${1}_ready"; }

ready_or_dead() { "${1}_ready" || dead "$1"; }

# ensure NAME: leaves the server ready, and sets `changed` if it had to start it. One that
# lives gets the time to become ready; one that does not answer then is started anew.
ensure() {
  if dead "$1"; then
    if [[ -e $stack/servers/$1 ]]; then
      say "$1 has died: starting it again"
    else
      say "starting $1"
    fi
  else
    wait_until "$START_DEADLINE" ready_or_dead "$1" || true
    ! ready "$1" || return 0
    say "$1 does not answer: starting it again"
    stop "$1"
  fi
  changed=yes
  "${1}_start"
  wait_until "$START_DEADLINE" ready_or_dead "$1" || true
  ready "$1" || give_up "$1"
}

give_up() {
  local why="is not ready after $START_DEADLINE s"
  ! dead "$1" || why='ended while it started'
  {
    printf 'stack: %s %s. The end of %s:\n' "$1" "$why" "$stack/log/$1.log"
    tail -n 25 "$stack/log/$1.log" | sed 's/^/  | /'
    printf 'stack: deploy/stack/down.sh --purge removes all data, for a start from nothing\n'
  } >&2
  stop "$1"
  exit 1
}

# Asks a server to end: its leader, which ends the rest, or what is left without a leader.
ask_to_end() {
  local members signal leader
  find_members "$1"
  ((${#members[@]})) || return 0
  read -r leader _ <"$stack/servers/$1"
  [[ ${members[0]} != "$leader" ]] || members=("$leader")
  signal=$("${1}_stop_signal")
  kill -s "$signal" "${members[@]}" 2>/dev/null || true
}

# Waits for the end that was asked for; makes it a hard one after the deadline.
await_end() {
  local members
  if ! wait_until "$STOP_DEADLINE" dead "$1"; then
    say "$1 has not ended within $STOP_DEADLINE s: killing it"
    find_members "$1"
    kill -s KILL "${members[@]}" 2>/dev/null || true
    wait_until "$STOP_DEADLINE" dead "$1" || die "$1 cannot be killed"
  fi
  rm -f "$stack/servers/$1"
}

stop() {
  ask_to_end "$1"
  await_end "$1"
}
