-- Webhooks from Xsolla that no configured secret fits, waiting for one that does. Only
-- ciphertext of bodies; whoever has the key of the configuration reads them, nobody else.
CREATE TABLE quarantine (
    -- Never given twice: readers go on after the last one they saw.
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    project        INTEGER NOT NULL,
    digest         BLOB NOT NULL CHECK (length(digest) = 20), -- the signature it came with
    key_id         BLOB NOT NULL,    -- names the key that sealed it, tells nothing about it
    sealed         BLOB NOT NULL,
    received_at    INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    taken_until    INTEGER,          -- until then one process puts it on the queue
    unreadable_at  INTEGER,          -- its key does not open it
    UNIQUE (project, digest)
) STRICT;
CREATE INDEX quarantine_waiting ON quarantine (project, key_id, id) WHERE unreadable_at IS NULL;
CREATE INDEX quarantine_by_end ON quarantine (expires_at);
