#!/usr/bin/env bash
# run.sh: prepares the ledger and the broker named by DATABASE_URL, AMQP_URL,
# RABBITMQ_API_URL and REDIS_URL, then serves every role and plays one order through.
# `make run-cluster` calls it by with.sh, which sets those.

set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export GRANTLINE__LEDGER__URL=${DATABASE_URL:?is not set; run this as deploy/stack/with.sh $0}
export GRANTLINE__BROKER__URL=${AMQP_URL:?is not set}
export GRANTLINE__BROKER__MANAGEMENT_URL=${RABBITMQ_API_URL:?is not set}
export GRANTLINE__CLAIM__URL=${REDIS_URL:?is not set}

cargo run --quiet --release --locked --bin grantline -- migrate
exec cargo run --quiet --release --locked --bin grantline -- serve --play
