-- The ledger. Facts only grow; what is granted, revoked and shown follows from them.
-- Personal data: the opaque player id everywhere, and raw bodies in `parked` alone.
--
-- Column for column what PostgreSQL has, so that a file can move there. Times are whole
-- microseconds since 1970, in UTC. What PostgreSQL does not accept (a NUL in a text, a key
-- too long for its index) is refused here, too: a notice has to end the same way on both.

-- One row. Its id is the epoch that clients recover by: whoever copies or restores a file
-- gives it another one, before any role uses it.
CREATE TABLE identity (
    only_row  INTEGER PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    id        TEXT NOT NULL DEFAULT (lower(hex(randomblob(6))))
) STRICT;
INSERT INTO identity DEFAULT VALUES;

CREATE TABLE players (
    project        INTEGER NOT NULL,
    player         TEXT NOT NULL,
    registered_at  INTEGER NOT NULL,
    PRIMARY KEY (project, player)
) STRICT, WITHOUT ROWID;

-- What makes a notice the same one: its project, its type and `ref` (order, transaction,
-- or a digest).
CREATE TABLE notices (
    project         INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    ref             TEXT NOT NULL CHECK (instr(ref, char(0)) = 0 AND length(CAST(ref AS BLOB)) <= 2400),
    message_id      BLOB NOT NULL,    -- SHA-256 of the body seen first
    fingerprint     BLOB NOT NULL,    -- SHA-256 of what a repeat must have in common with it
    seen            INTEGER NOT NULL,
    first_at        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    outcome         TEXT NOT NULL CHECK (outcome IN ('booked', 'no_op', 'parked')),
    reason          TEXT,             -- of a no-op or a parked notice
    parked_id       INTEGER,
    order_id        INTEGER,
    transaction_id  INTEGER,
    player          TEXT,
    trace_id        TEXT,
    PRIMARY KEY (project, kind, ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_by_order ON notices (project, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX notices_by_transaction ON notices (project, transaction_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX notices_by_player ON notices (project, player) WHERE player IS NOT NULL;

-- Real money only: orders in virtual currency may all carry the same invoice.
CREATE TABLE transactions (
    project         INTEGER NOT NULL,
    transaction_id  INTEGER NOT NULL,
    order_id        INTEGER,
    player          TEXT,
    payment         INTEGER NOT NULL CHECK (payment IN (0, 1)),
    refund          INTEGER NOT NULL CHECK (refund IN (0, 1)),
    refund_code     INTEGER,
    sandbox         INTEGER CHECK (sandbox IN (0, 1)),  -- what the payment notice said; NULL until there was one
    PRIMARY KEY (project, transaction_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    project         INTEGER NOT NULL,
    order_id        INTEGER NOT NULL,
    player          TEXT,             -- the first to be named
    transaction_id  INTEGER,
    sandbox         INTEGER NOT NULL CHECK (sandbox IN (0, 1)),
    created         INTEGER NOT NULL CHECK (created IN (0, 1)),
    paid            INTEGER NOT NULL CHECK (paid IN (0, 1)),
    payment         INTEGER NOT NULL CHECK (payment IN (0, 1)),
    canceled        INTEGER NOT NULL CHECK (canceled IN (0, 1)),
    refunded        INTEGER NOT NULL CHECK (refunded IN (0, 1)),
    status          TEXT NOT NULL CHECK (status IN ('new', 'paid', 'done', 'canceled')),
    shown           TEXT CHECK (shown IN ('new', 'paid', 'done', 'canceled')),  -- last one in the stream
    -- JSON. A NUL in it is an escape; two backslashes before the `u` are none.
    content         TEXT CHECK (instr(replace(content, '\\', ''), '\u0000') = 0),
    first_at        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    PRIMARY KEY (project, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_player ON orders (project, player, order_id) WHERE player IS NOT NULL;

-- One grant and one revoke per source, whatever is repeated. `part` is for partial
-- refunds and renewals.
CREATE TABLE bookings (
    project    INTEGER NOT NULL,
    source     TEXT NOT NULL,         -- order:ID | transaction:ID | subscription:ID:DATE
    direction  TEXT NOT NULL CHECK (direction IN ('grant', 'revoke')),
    part       TEXT NOT NULL DEFAULT '',
    player     TEXT NOT NULL,
    kind       TEXT NOT NULL,         -- the notice that caused it
    ref        TEXT NOT NULL,
    booked_at  INTEGER NOT NULL,
    PRIMARY KEY (project, source, direction, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX bookings_by_player ON bookings (project, player, booked_at);

CREATE TABLE booking_lines (
    project    INTEGER NOT NULL,
    source     TEXT NOT NULL,
    direction  TEXT NOT NULL,
    part       TEXT NOT NULL DEFAULT '',
    line       INTEGER NOT NULL CHECK (line > 0),
    sku        TEXT NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (project, source, direction, part, line),
    FOREIGN KEY (project, source, direction, part) REFERENCES bookings
) STRICT, WITHOUT ROWID;

-- One per booking; the key is also the idempotency key towards the studio's back end. The
-- built-in inventory meets it in the transaction that books.
CREATE TABLE obligations (
    project     INTEGER NOT NULL,
    source      TEXT NOT NULL,
    direction   TEXT NOT NULL,
    part        TEXT NOT NULL DEFAULT '',
    state       TEXT NOT NULL CHECK (state IN ('owed', 'sent', 'held', 'refused', 'void', 'owed_back', 'returned')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER,
    settled_at  INTEGER,
    PRIMARY KEY (project, source, direction, part),
    FOREIGN KEY (project, source, direction, part) REFERENCES bookings
) STRICT, WITHOUT ROWID;
CREATE INDEX obligations_due ON obligations (due_at) WHERE state IN ('owed', 'sent', 'owed_back');

-- Derived from the lines of what is held and returned; can be rebuilt from them. A sum
-- beyond 64 bits is a REAL, which the column does not take.
CREATE TABLE balances (
    project   INTEGER NOT NULL,
    player    TEXT NOT NULL,
    sku       TEXT NOT NULL,
    quantity  INTEGER NOT NULL,
    PRIMARY KEY (project, player, sku)
) STRICT, WITHOUT ROWID;

-- There is one writer, so the order of commits is the order of offsets and a rollback
-- leaves no gap.
CREATE TABLE streams (
    project      INTEGER NOT NULL,
    player       TEXT NOT NULL,
    last_offset  INTEGER NOT NULL,
    PRIMARY KEY (project, player)
) STRICT, WITHOUT ROWID;

CREATE TABLE stream_rows (
    project        INTEGER NOT NULL,
    player         TEXT NOT NULL,
    stream_offset  INTEGER NOT NULL CHECK (stream_offset > 0),
    order_id       INTEGER NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('new', 'paid', 'done', 'canceled')),
    at             INTEGER NOT NULL,
    PRIMARY KEY (project, player, stream_offset)
) STRICT, WITHOUT ROWID;

-- Where two notices disagree and the first one won.
CREATE TABLE conflicts (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    project         INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    ref             TEXT NOT NULL,
    order_id        INTEGER,
    transaction_id  INTEGER,
    what            TEXT NOT NULL,
    message_id      BLOB NOT NULL,
    at              INTEGER NOT NULL
) STRICT;
CREATE INDEX conflicts_by_order ON conflicts (project, order_id) WHERE order_id IS NOT NULL;

-- Accepted, but waiting for a person. A number is never used twice: replays carry it.
CREATE TABLE parked (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    project         INTEGER,          -- NULL when a broken message does not even tell that
    kind            TEXT NOT NULL,
    ref             TEXT NOT NULL,
    message_id      BLOB NOT NULL,
    order_id        INTEGER,
    transaction_id  INTEGER,
    player          TEXT,
    reason          TEXT NOT NULL,
    detail          TEXT NOT NULL CHECK (instr(detail, char(0)) = 0),
    attempts        INTEGER NOT NULL,
    trace_id        TEXT,
    body            BLOB NOT NULL,
    received_at     INTEGER NOT NULL,
    parked_at       INTEGER NOT NULL,
    replayed_at     INTEGER,          -- last put back on the queue
    settled_at      INTEGER           -- a replay ended well, or a person closed it
) STRICT;
CREATE INDEX parked_open ON parked (parked_at, id) WHERE settled_at IS NULL;
CREATE INDEX parked_by_order ON parked (project, order_id) WHERE order_id IS NOT NULL;
CREATE INDEX parked_by_transaction ON parked (project, transaction_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX parked_by_player ON parked (project, player) WHERE player IS NOT NULL;
