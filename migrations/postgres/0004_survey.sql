-- Orders that were paid and have nothing to show for it: a handful in good times, and what
-- one look has to find on a bad night. Writers wait while it is built, some seconds for each
-- ten million orders: whoever has many builds it ahead with CREATE INDEX CONCURRENTLY, which
-- cannot be done here, for it would wait for a second `grantline migrate` that waits for this.
CREATE INDEX IF NOT EXISTS orders_paid_not_granted ON orders (first_at)
    WHERE status = 'paid' AND NOT sandbox AND NOT refunded;

-- Which worker looks at queues and ledger for all of them, and until when it does without
-- saying so again. By this server's clock.
CREATE TABLE queue_watch (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    holder      text NOT NULL DEFAULT '',
    held_until  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO queue_watch DEFAULT VALUES;

-- When the newest task was received that any worker has taken from the front of a queue:
-- nothing older waits there. RabbitMQ tells nobody without handing the message out.
CREATE TABLE queue_heads (
    queue        text PRIMARY KEY,
    received_at  timestamptz NOT NULL
);
