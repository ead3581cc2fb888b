-- Webhooks from Xsolla that no configured secret fits, waiting for one that does. Only
-- ciphertext of bodies; whoever has the key of the configuration reads them, nobody else.
CREATE TABLE quarantine (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project        bigint NOT NULL,
    digest         bytea NOT NULL CHECK (octet_length(digest) = 20), -- the signature it came with
    key_id         bytea NOT NULL,    -- names the key that sealed it, tells nothing about it
    sealed         bytea NOT NULL,
    received_at    timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    taken_until    timestamptz,       -- until then one process puts it on the queue
    unreadable_at  timestamptz,       -- its key does not open it
    UNIQUE (project, digest)
);
CREATE INDEX quarantine_waiting ON quarantine (project, key_id, id) WHERE unreadable_at IS NULL;
CREATE INDEX quarantine_by_end ON quarantine (expires_at);

-- Ciphertext does not compress, so nobody should try.
ALTER TABLE quarantine ALTER COLUMN sealed SET STORAGE EXTERNAL;
