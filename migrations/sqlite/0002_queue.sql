-- The broker of the embedded stack. Whoever holds the file's lock is the only one who hands
-- messages out, so who holds what is kept in that process's memory and a death gives it all
-- back.

-- What was accepted. Written once; a retry alone rewrites headers.
CREATE TABLE queue_messages (
    id INTEGER PRIMARY KEY,
    -- The routing key: where it belongs, wherever it is.
    lane TEXT NOT NULL,
    -- A JSON object of texts.
    headers TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- Where each message is: in exactly one place. No foreign key, for it would look up every
-- message twice more; both rows are only ever written together.
CREATE TABLE queue_places (
    queue TEXT NOT NULL,
    -- In a retry queue when it is due, in microseconds since 1970. Elsewhere its turn: only
    -- ever growing.
    rank INTEGER NOT NULL,
    message INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    -- How often it was handed out from here.
    deliveries INTEGER NOT NULL DEFAULT 0,
    -- Why it was parked.
    reason TEXT,
    PRIMARY KEY (queue, rank, message)
) STRICT, WITHOUT ROWID;

-- The sums over queue_places, so that a limit is one look.
CREATE TABLE queue_sizes (
    queue TEXT PRIMARY KEY,
    messages INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
