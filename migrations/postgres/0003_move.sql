-- The file of the embedded stack that this ledger was moved from. No role may use the ledger
-- before the move is finished: until then that file can still be served.
CREATE TABLE move (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id           text NOT NULL,       -- the file has it, too
    begun_at     timestamptz NOT NULL,
    finished_at  timestamptz
);
