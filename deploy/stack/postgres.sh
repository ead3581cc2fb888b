# shellcheck shell=bash disable=SC2154 # `home` and `stack` are set in state.sh
# PostgreSQL: the ledger. It refuses to run as root, hence `as_postgres`.

# The newest version that is installed.
postgres_bin() {
  printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1 | xargs dirname
}

postgres_url() {
  printf 'postgres://grantline:%s@127.0.0.1:%s/grantline\n' "$(password)" "$(port_of postgres)"
}

postgres_start() {
  local data=$home/postgres
  claim_port postgres
  # After a killed postmaster its children live on for a moment and forbid a new one.
  wait_until "$STOP_DEADLINE" postgres_unused "$data" ||
    die "processes of a killed PostgreSQL still use $data"
  [[ -e $data ]] || postgres_create "$data"
  # No Unix socket: its path is limited to 107 bytes, the checkout's is not.
  launch postgres as_postgres_exec "$(postgres_bin)/postgres" -D "$data" \
    -p "$(port_of postgres)" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=300 -c fsync="$STACK_FSYNC"
}
