#!/usr/bin/env bash
# down.sh [--purge]: ends what up.sh has started in this checkout, and nothing else; with
# --purge removes the servers' data, ports and password too.

# shellcheck source=deploy/stack/state.sh
source "$(dirname "${BASH_SOURCE[0]}")/state.sh"
for part in server redis postgres rabbitmq; do
  # shellcheck source=/dev/null
  source "$root/deploy/stack/$part.sh"
done

case "$*" in
  '') purge=no ;;
  --purge) purge=yes ;;
  *) die "unknown argument \`$*\`; usage: down.sh [--purge]" ;;
esac

if [[ ! -d $stack ]]; then
  say 'nothing to stop'
  exit 0
fi
open_state
rm -f "$env_file" "$stack/keep"

# All at once; epmd last, because the broker signs off there.
for server in rabbitmq postgres redis; do
  ask_to_end "$server"
done
for server in rabbitmq postgres redis; do
  await_end "$server"
done
epmd_adopt
stop epmd

if [[ $purge == yes ]]; then
  home=$(cat "$stack/home" 2>/dev/null || true)
  [[ -z $home ]] || rm -rf "$home"
  rm -rf "$stack"
fi
say 'down'
