# shellcheck shell=bash disable=SC2154 # set in state.sh
# RabbitMQ with its management API, and the epmd it registers with: the task queues.

rabbitmq_url() {
  printf 'amqp://grantline:%s@127.0.0.1:%s/%%2f\n' "$(password)" "$(port_of amqp)"
}

rabbitmq_api_url() { printf 'http://127.0.0.1:%s\n' "$(port_of management)"; }

rabbitmq_tls_url() {
  printf 'amqps://grantline:%s@localhost:%s/%%2f\n' "$(password)" "$(port_of amqps)"
}

rabbitmq_api_tls_url() { printf 'https://localhost:%s\n' "$(port_of management_tls)"; }

# Started apart, because an epmd that the node starts by itself becomes a daemon of its own.
epmd_start() {
  claim_port epmd
  launch epmd epmd -port "$(port_of epmd)" -address 127.0.0.1
}

epmd_ready() { listens "$(port_of epmd)"; }

epmd_stop_signal() { echo TERM; }

# A node whose epmd has died starts another by itself: ours from now on.
epmd_adopt() {
  local folder program
  dead epmd || return 0
  for folder in /proc/[0-9]*; do
    read -r program 2>/dev/null <"$folder/comm" || continue
    if [[ $program == epmd ]] && grep -qszxF "ERL_EPMD_PORT=$(port_of epmd)" "$folder/environ"; then
      record epmd "${folder#/proc/}"
    fi
  done
}

rabbitmq_start() {
  local name data=$home/rabbitmq scripts
  for name in amqp management prometheus dist; do
    claim_port "$name"
  done
  (umask 077 && mkdir -p "$data" && rabbitmq_configure "$data")
  # Debian's wrapper on the search path changes the user and drops the environment.
  scripts=$(printf '%s\n' /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin | sort -V | tail -n 1)
  launch rabbitmq env -i PATH="$PATH" LANG=C.UTF-8 HOME="$data" \
    ERL_EPMD_PORT="$(port_of epmd)" ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_NODENAME=grantline@localhost \
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$(port_of amqp)" \
    RABBITMQ_DIST_PORT="$(port_of dist)" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
    RABBITMQ_CONFIG_FILE="$data/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE="$data/rabbitmq-env.conf" \
    RABBITMQ_ADVANCED_CONFIG_FILE="$data/advanced.config" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$data/enabled_plugins" \
    RABBITMQ_MNESIA_BASE="$data/mnesia" RABBITMQ_LOG_BASE="$data/log" \
    RABBITMQ_FEATURE_FLAGS_FILE="$data/feature_flags" RABBITMQ_PID_FILE="$data/pid" \
    RABBITMQ_SCHEMA_DIR="$data/schema" RABBITMQ_GENERATED_CONFIG_DIR="$data/config" \
    "$scripts/rabbitmq-server"
}

rabbitmq_configure() {
  if [[ ! -s $1/.erlang.cookie ]]; then
    password >"$1/.erlang.cookie"
    chmod 0400 "$1/.erlang.cookie"
  fi
  # Without these two the node reads the machine's own in /etc.
  : >"$1/rabbitmq-env.conf"
  echo '[].' >"$1/advanced.config"
  echo '[rabbitmq_management,rabbitmq_prometheus].' >"$1/enabled_plugins"
  cat >"$1/rabbitmq.conf" <<CONF
listeners.tcp.default = 127.0.0.1:$(port_of amqp)
management.tcp.ip = 127.0.0.1
management.tcp.port = $(port_of management)
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = $(port_of prometheus)
default_user = grantline
default_pass = $(password)
default_user_tags.administrator = true
vm_memory_high_watermark.absolute = 2GB
disk_free_limit.absolute = 500MB
# What the management API counts is at most this old, in milliseconds; tests wait on it.
collect_statistics_interval = 500
log.console = true
log.file = false
CONF
  [[ -z ${STACK_TLS:-} ]] || rabbitmq_encrypt >>"$1/rabbitmq.conf"
}

rabbitmq_encrypt() {
  local prefix
  claim_port amqps
  claim_port management_tls
  cat <<CONF
listeners.ssl.default = 127.0.0.1:$(port_of amqps)
management.ssl.ip = 127.0.0.1
management.ssl.port = $(port_of management_tls)
CONF
  for prefix in ssl_options management.ssl; do
    cat <<CONF
$prefix.cacertfile = $STACK_TLS/ca.pem
$prefix.certfile = $STACK_TLS/server.pem
$prefix.keyfile = $STACK_TLS/server.key
$prefix.verify = verify_peer
$prefix.fail_if_no_peer_cert = true
CONF
  done
}

# The AMQP port opens last; the management API answers a moment later.
rabbitmq_ready() { listens "$(port_of amqp)" && rabbitmq_lets_in; }

rabbitmq_lets_in() {
  local answer
  answer=$(
    exec 2>/dev/null
    exec 3<>"/dev/tcp/127.0.0.1/$(port_of management)" || exit
    printf 'GET /api/whoami HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' \
      "$(printf 'grantline:%s' "$(password)" | base64 -w 0)" >&3
    read -r -t 5 answer <&3 && printf '%s' "$answer"
  ) && [[ $answer == 'HTTP/1.1 200 '* ]]
}

rabbitmq_stop_signal() { echo TERM; }
