-- Where the content of this file goes, or has gone. A file that was moved is served no more.
CREATE TABLE move (
    only_row  INTEGER PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    id        TEXT NOT NULL,          -- the new database has it, too
    ledger    TEXT NOT NULL,          -- addresses without user and password
    broker    TEXT NOT NULL,
    begun_at  INTEGER NOT NULL,
    moved_at  INTEGER
) STRICT;

-- Messages that the new broker has confirmed. Forgotten when the file is served again, for
-- then their numbers are given to others.
CREATE TABLE move_sent (
    message  INTEGER PRIMARY KEY
) STRICT;
