-- The ledger. Facts only grow; what is granted, revoked and shown follows from them.
-- Personal data: the opaque player id everywhere, and raw bodies in `parked` alone.

-- One row. Its id is half of the epoch that clients recover by: whoever copies or restores
-- a database gives it another one, before any role uses it.
CREATE TABLE identity (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id        text NOT NULL DEFAULT substr(md5(gen_random_uuid()::text), 1, 12)
);
INSERT INTO identity DEFAULT VALUES;

-- The other half is the timeline: a promoted standby may lack the last commits, so what
-- was known of the old primary proves nothing about it.
CREATE FUNCTION ledger_epoch() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT id || '-' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM identity
$$;

CREATE TABLE players (
    project        bigint NOT NULL,
    player         text NOT NULL,
    registered_at  timestamptz NOT NULL,
    PRIMARY KEY (project, player)
);

-- What makes a notice the same one: its project, its type and `ref` (order, transaction,
-- or a digest). No column of the key is ever NULL: NULLs would not collide.
CREATE TABLE notices (
    project         bigint NOT NULL,
    kind            text NOT NULL,
    ref             text NOT NULL,
    message_id      bytea,            -- SHA-256 of the body seen first
    fingerprint     bytea,            -- SHA-256 of what a repeat must have in common with it
    seen            bigint NOT NULL DEFAULT 0,
    first_at        timestamptz,
    last_at         timestamptz,
    outcome         text CHECK (outcome IN ('booked', 'no_op', 'parked')),
    reason          text,             -- of a no-op or a parked notice
    parked_id       bigint,
    order_id        bigint,
    transaction_id  bigint,
    player          text,
    trace_id        text,
    PRIMARY KEY (project, kind, ref)
);
CREATE INDEX notices_by_order ON notices (project, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX notices_by_transaction ON notices (project, transaction_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX notices_by_player ON notices (project, player) WHERE player IS NOT NULL;

-- Real money only: orders in virtual currency may all carry the same invoice.
CREATE TABLE transactions (
    project         bigint NOT NULL,
    transaction_id  bigint NOT NULL,
    order_id        bigint,
    player          text,
    payment         boolean NOT NULL DEFAULT false,
    refund          boolean NOT NULL DEFAULT false,
    refund_code     bigint,
    sandbox         boolean,          -- what the payment notice said; NULL until there was one
    PRIMARY KEY (project, transaction_id)
);

CREATE TABLE orders (
    project         bigint NOT NULL,
    order_id        bigint NOT NULL,
    player          text,             -- the first to be named
    transaction_id  bigint,
    sandbox         boolean NOT NULL DEFAULT false,
    created         boolean NOT NULL DEFAULT false,
    paid            boolean NOT NULL DEFAULT false,
    payment         boolean NOT NULL DEFAULT false,
    canceled        boolean NOT NULL DEFAULT false,
    refunded        boolean NOT NULL DEFAULT false,
    status          text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'paid', 'done', 'canceled')),
    shown           text CHECK (shown IN ('new', 'paid', 'done', 'canceled')),  -- last one in the stream
    content         jsonb,
    first_at        timestamptz NOT NULL,
    last_at         timestamptz NOT NULL,
    PRIMARY KEY (project, order_id)
);
CREATE INDEX orders_by_player ON orders (project, player, order_id) WHERE player IS NOT NULL;

-- One grant and one revoke per source, whatever is repeated. `part` is for partial
-- refunds and renewals.
CREATE TABLE bookings (
    project    bigint NOT NULL,
    source     text NOT NULL,         -- order:ID | transaction:ID | subscription:ID:DATE
    direction  text NOT NULL CHECK (direction IN ('grant', 'revoke')),
    part       text NOT NULL DEFAULT '',
    player     text NOT NULL,
    kind       text NOT NULL,         -- the notice that caused it
    ref        text NOT NULL,
    booked_at  timestamptz NOT NULL,
    PRIMARY KEY (project, source, direction, part)
);
CREATE INDEX bookings_by_player ON bookings (project, player, booked_at);

CREATE TABLE booking_lines (
    project    bigint NOT NULL,
    source     text NOT NULL,
    direction  text NOT NULL,
    part       text NOT NULL DEFAULT '',
    line       integer NOT NULL CHECK (line > 0),
    sku        text NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (project, source, direction, part, line),
    FOREIGN KEY (project, source, direction, part) REFERENCES bookings
);

-- One per booking; the key is also the idempotency key towards the studio's back end. The
-- built-in inventory meets it in the transaction that books.
CREATE TABLE obligations (
    project     bigint NOT NULL,
    source      text NOT NULL,
    direction   text NOT NULL,
    part        text NOT NULL DEFAULT '',
    state       text NOT NULL CHECK (state IN ('owed', 'sent', 'held', 'refused', 'void', 'owed_back', 'returned')),
    attempts    integer NOT NULL DEFAULT 0,
    due_at      timestamptz,
    settled_at  timestamptz,
    PRIMARY KEY (project, source, direction, part),
    FOREIGN KEY (project, source, direction, part) REFERENCES bookings
);
CREATE INDEX obligations_due ON obligations (due_at) WHERE state IN ('owed', 'sent', 'owed_back');

-- Derived from the lines of what is held and returned; can be rebuilt from them.
CREATE TABLE balances (
    project   bigint NOT NULL,
    player    text NOT NULL,
    sku       text NOT NULL,
    quantity  bigint NOT NULL,
    PRIMARY KEY (project, player, sku)
);

-- The head is locked by whoever appends, so the order of commits is the order of offsets
-- and a rollback leaves no gap.
CREATE TABLE streams (
    project      bigint NOT NULL,
    player       text NOT NULL,
    last_offset  bigint NOT NULL,
    PRIMARY KEY (project, player)
);

CREATE TABLE stream_rows (
    project        bigint NOT NULL,
    player         text NOT NULL,
    stream_offset  bigint NOT NULL CHECK (stream_offset > 0),
    order_id       bigint NOT NULL,
    status         text NOT NULL CHECK (status IN ('new', 'paid', 'done', 'canceled')),
    at             timestamptz NOT NULL,
    PRIMARY KEY (project, player, stream_offset)
);

-- Where two notices disagree and the first one won.
CREATE TABLE conflicts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project         bigint NOT NULL,
    kind            text NOT NULL,
    ref             text NOT NULL,
    order_id        bigint,
    transaction_id  bigint,
    what            text NOT NULL,
    message_id      bytea NOT NULL,
    at              timestamptz NOT NULL
);
CREATE INDEX conflicts_by_order ON conflicts (project, order_id) WHERE order_id IS NOT NULL;

-- Accepted, but waiting for a person.
CREATE TABLE parked (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project         bigint,           -- NULL when a broken message does not even tell that
    kind            text NOT NULL,
    ref             text NOT NULL,
    message_id      bytea NOT NULL,
    order_id        bigint,
    transaction_id  bigint,
    player          text,
    reason          text NOT NULL,
    detail          text NOT NULL,
    attempts        integer NOT NULL,
    trace_id        text,
    body            bytea NOT NULL,
    received_at     timestamptz NOT NULL,
    parked_at       timestamptz NOT NULL,
    replayed_at     timestamptz,      -- last put back on the queue
    settled_at      timestamptz       -- a replay ended well, or a person closed it
);
CREATE INDEX parked_open ON parked (parked_at, id) WHERE settled_at IS NULL;
CREATE INDEX parked_by_order ON parked (project, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX parked_by_transaction ON parked (project, transaction_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX parked_by_player ON parked (project, player) WHERE player IS NOT NULL;
