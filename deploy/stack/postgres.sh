# shellcheck shell=bash disable=SC2154 # set in state.sh
# PostgreSQL: the ledger.

# A program of the newest version installed.
postgres_program() {
  printf '%s\n' /usr/lib/postgresql/*/bin/"$1" | sort -V | tail -n 1
}

postgres_url() {
  printf 'postgres://grantline:%s@127.0.0.1:%s/grantline\n' "$(password)" "$(port_of postgres)"
}

postgres_start() {
  local tls=()
  claim_port postgres
  # The children of a killed postmaster live on for a moment and forbid a new one.
  wait_until "$STOP_DEADLINE" postgres_unused ||
    die "processes of a killed PostgreSQL still use $home/postgres"
  # Its lock file counts for as long as its dead process is not reaped, which may be for ever.
  rm -f "$home/postgres/postmaster.pid"
  [[ -e $home/postgres ]] || postgres_create
  if [[ -n ${STACK_TLS:-} ]]; then
    postgres_take_certificates
    tls=(-c ssl=on -c ssl_ca_file="$home/postgres/ca.pem" -c ssl_cert_file="$home/postgres/server.pem"
      -c ssl_key_file="$home/postgres/server.key" -c hba_file="$home/postgres/tls_hba.conf")
  fi
  # No Unix socket: its path may have 107 bytes, the path of a checkout may have more.
  launch postgres "${postgres_user[@]}" "$(postgres_program postgres)" -D "$home/postgres" \
    -p "$(port_of postgres)" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=300 -c fsync="${STACK_FSYNC:-on}" "${tls[@]}"
}

# Its user cannot read everybody's files, and it refuses a key that others can read.
postgres_take_certificates() {
  local file
  for file in ca.pem server.pem server.key; do
    install -m 0600 "$STACK_TLS/$file" "$home/postgres/$file"
  done
  cat >"$home/postgres/tls_hba.conf" <<'CONF'
hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
hostnossl all all 127.0.0.1/32 scram-sha-256
CONF
  ((EUID != 0)) || chown postgres: "$home/postgres"/{ca.pem,server.pem,server.key,tls_hba.conf}
}

# The folder gets its name once the cluster is whole: an `up` that is cut short begins anew.
postgres_create() {
  local new=$home/postgres.new
  rm -rf "$new"
  mkdir -m 0711 "$new"
  (umask 077 && password >"$new/password")
  mkdir -m 0700 "$new/cluster"
  ((EUID != 0)) || chown -R postgres: "$new"
  (
    cd /
    "${postgres_user[@]}" "$(postgres_program initdb)" -D "$new/cluster" -U grantline \
      -A scram-sha-256 --pwfile="$new/password" -E UTF8 --no-locale --no-sync
    echo 'CREATE DATABASE grantline' |
      "${postgres_user[@]}" "$(postgres_program postgres)" --single -D "$new/cluster" postgres
  ) >"$stack/log/initdb.log" 2>&1 || {
    tail -n 25 "$stack/log/initdb.log" >&2
    die 'PostgreSQL could not make its data folder'
  }
  mv "$new/cluster" "$home/postgres"
  rm -rf "$new"
}

postgres_unused() {
  local folder
  for folder in /proc/[0-9]*; do
    [[ ! $folder/cwd -ef $home/postgres ]] || return 1
  done
}

postgres_ready() {
  PGPASSWORD=$(password) PGSSLMODE=disable PGCONNECT_TIMEOUT=5 "$(postgres_program psql)" -XqtA \
    -h 127.0.0.1 -p "$(port_of postgres)" -U grantline -d grantline -c 'SELECT 1' \
    >/dev/null 2>&1
}

# Fast: ends sessions and writes a checkpoint. TERM would wait for clients to leave.
postgres_stop_signal() { echo INT; }
