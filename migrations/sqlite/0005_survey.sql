-- Orders that were paid and have nothing to show for it: a handful in good times, and what
-- one look has to find on a bad night.
CREATE INDEX orders_paid_not_granted ON orders (first_at)
    WHERE status = 'paid' AND sandbox = 0 AND refunded = 0;
