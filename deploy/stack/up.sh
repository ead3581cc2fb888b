#!/usr/bin/env bash
# up.sh [--temporary]: leaves this checkout with a running RabbitMQ, Redis and PostgreSQL of
# its own and their URLs in .stack/env. Running servers are left alone, dead ones started.
#
# A server whose URL is set in the environment is not started; the URL is passed on. Without
# --temporary the stack stays until down.sh; with it, until the last with.sh has ended.
#
# STACK_TLS=FOLDER adds TLS listeners that let in clients with a certificate alone, and their
# URLs: the folder holds ca.pem, server.pem and server.key.
#
# STACK_FSYNC=off makes PostgreSQL skip fsync: faster, and a power cut loses its data.

# shellcheck source=deploy/stack/state.sh
source "$(dirname "${BASH_SOURCE[0]}")/state.sh"
for part in server redis postgres rabbitmq; do
  # shellcheck source=/dev/null
  source "$root/deploy/stack/$part.sh"
done

case "$*" in
  '') keep=yes ;;
  --temporary) keep=no ;;
  *) die "unknown argument \`$*\`; usage: up.sh [--temporary]" ;;
esac
[[ ${STACK_FSYNC:-on} == @(on|off) ]] || die "STACK_FSYNC is \`$STACK_FSYNC\`; expected on or off"

# given VARIABLE SERVER SCHEMES PORT: whether somebody else runs this server. A URL that this
# stack handed out itself, as in a shell that has read .stack/env, does not count.
given() {
  local url=${!1:-}
  [[ -n $url && $url != "$("${2}_url" 2>/dev/null)" ]] || return 1
  [[ $url =~ ^($3)://([^@/]*@)?([A-Za-z0-9._-]+|\[[0-9a-f:]+\])(:([0-9]+))?([/?].*)?$ ]] ||
    die "$1 is not a URL of the form ${3%%|*}://user:password@host:port/…"
  local host=${BASH_REMATCH[3]} port=${BASH_REMATCH[5]:-$4}
  host=${host#[} host=${host%]}
  timeout 5 bash -c "exec 3<>'/dev/tcp/$host/$port'" 2>/dev/null ||
    die "$1 is set, and nobody answers at $host port $port; unset it for a private server"
}

[[ -z ${STACK_TLS:-} || -s $STACK_TLS/ca.pem && -s $STACK_TLS/server.pem && -s $STACK_TLS/server.key ]] ||
  die "STACK_TLS is \`$STACK_TLS\`; expected a folder with ca.pem, server.pem and server.key"

open_state
packages=() servers=()
given DATABASE_URL postgres 'postgres|postgresql' 5432 || {
  unset DATABASE_URL
  packages+=(postgresql) servers+=(postgres)
}
given REDIS_URL redis 'redis|rediss' 6379 || {
  unset REDIS_URL
  packages+=(redis-server) servers+=(redis)
}
if given AMQP_URL rabbitmq 'amqp|amqps' 5672; then
  given RABBITMQ_API_URL rabbitmq_api 'http|https' 15672 ||
    die 'AMQP_URL is set; set RABBITMQ_API_URL too, to the management API of the same server'
else
  unset AMQP_URL RABBITMQ_API_URL
  packages+=(rabbitmq-server) servers+=(epmd rabbitmq)
fi

changed=no
if ((${#servers[@]})); then
  "$root/deploy/stack/install.sh" "${packages[@]}" 8>&- 9>&-
  choose_home
  epmd_adopt
  for server in "${servers[@]}"; do
    ensure "$server"
  done
fi

if [[ $keep == yes ]]; then
  touch "$stack/keep"
fi
new=$(mktemp "$env_file.XXXXXX")
printf 'export %s=%q\n' \
  DATABASE_URL "${DATABASE_URL:-$(postgres_url)}" \
  AMQP_URL "${AMQP_URL:-$(rabbitmq_url)}" \
  RABBITMQ_API_URL "${RABBITMQ_API_URL:-$(rabbitmq_api_url)}" \
  REDIS_URL "${REDIS_URL:-$(redis_url)}" >"$new"
if [[ -n ${STACK_TLS:-} ]]; then
  printf 'export %s=%q\n' \
    AMQPS_URL "$(rabbitmq_tls_url)" \
    RABBITMQ_API_TLS_URL "$(rabbitmq_api_tls_url)" \
    REDIS_TLS_URL "$(redis_tls_url)" >>"$new"
fi
mv "$new" "$env_file"

if ((${#servers[@]} == 0)); then
  say 'every URL is given: nothing to start'
elif [[ $changed == yes ]]; then
  say "up; its URLs: source ${env_file@Q}"
else
  say "runs already; its URLs: source ${env_file@Q}"
fi
