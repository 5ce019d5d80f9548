-- What the audit needs beside the ledger: records that came twice, entries that vanished while they
-- were pending, what was cleared, and an index to look entries up.

ALTER TABLE logs_ledger DROP CONSTRAINT logs_ledger_kind_check;
ALTER TABLE logs_ledger ADD CONSTRAINT logs_ledger_kind_check
    CHECK (kind IN ('stored', 'rejected', 'expired', 'dropped', 'cleared', 'duplicate'));

ALTER TABLE logs_ledger_entries DROP CONSTRAINT logs_ledger_entries_delivery_check;
ALTER TABLE logs_ledger_entries ADD CONSTRAINT logs_ledger_entries_delivery_check
    CHECK (delivery IN ('new', 'again', 'vanished'));

CREATE INDEX logs_ledger_entries_first
    ON logs_ledger_entries (stream, epoch, delivery, first_ms, first_seq);

-- Each clear, so that a replay of older entries that match it does not bring them back.
CREATE TABLE logs_cleared (
    filter jsonb NOT NULL,
    at     timestamptz NOT NULL DEFAULT now()
);
