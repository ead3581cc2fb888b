#!/usr/bin/env bash
# with.sh COMMAND...: runs a command with the stack's URLs in its environment, and keeps its
# exit code. Starts the stack where it does not run. The last with.sh to end stops it, unless
# up.sh was called without --temporary.

# shellcheck source=deploy/stack/state.sh
source "$(dirname "${BASH_SOURCE[0]}")/state.sh"
(($#)) || die 'usage: with.sh COMMAND...'

# Held shared by every with.sh of this checkout; whoever gets it alone is the last one.
make_folder
exec 9>"$stack/users"
flock -s -w 120 9 || die 'the stack has been stopping for 2 minutes'

# shellcheck disable=SC2317 # called by the trap
leave() {
  local code=$?
  trap '' INT TERM HUP
  trap - EXIT
  if [[ ! -e $stack/keep ]] && flock -n -x 9; then
    "$root/deploy/stack/down.sh" 9>&- || true
  fi
  exit "$code"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"$root/deploy/stack/up.sh" --temporary 9>&-
# shellcheck source=/dev/null
source "$env_file"

# In a process group of its own, so that the command and its children get each signal once,
# from here, whether it came from a terminal or to this process alone.
set -m
"$@" </dev/null 9>&- &
command=$!
set +m
trap 'kill -s INT -- "-$command" 2>/dev/null || true' INT
trap 'kill -s TERM -- "-$command" 2>/dev/null || true' TERM HUP
while
  code=0
  wait "$command" || code=$?
  kill -0 "$command" 2>/dev/null
do :; done
exit "$code"
