# shellcheck shell=bash disable=SC2154 # set in state.sh
# Redis: the claims that spare the ledger its duplicates.

redis_url() { printf 'redis://127.0.0.1:%s\n' "$(port_of redis)"; }

redis_tls_url() { printf 'rediss://localhost:%s\n' "$(port_of redis_tls)"; }

redis_start() {
  local tls=()
  claim_port redis
  if [[ -n ${STACK_TLS:-} ]]; then
    claim_port redis_tls
    tls=(--tls-port "$(port_of redis_tls)" --tls-auth-clients yes --tls-ca-cert-file "$STACK_TLS/ca.pem"
      --tls-cert-file "$STACK_TLS/server.pem" --tls-key-file "$STACK_TLS/server.key")
  fi
  (umask 077 && mkdir -p "$home/redis")
  launch redis redis-server --port "$(port_of redis)" --bind 127.0.0.1 --dir "$home/redis" \
    --save '' --appendonly yes --appendfsync everysec "${tls[@]}"
}

redis_ready() {
  local answer
  answer=$(
    exec 2>/dev/null
    exec 3<>"/dev/tcp/127.0.0.1/$(port_of redis)" || exit
    printf 'PING\r\n' >&3
    read -r -t 5 answer <&3 && printf '%s' "$answer"
  ) && [[ $answer == +PONG* ]]
}

redis_stop_signal() { echo TERM; }
