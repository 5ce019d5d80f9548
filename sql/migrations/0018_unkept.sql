-- Numbers of records that were refused and whose dead letter a trigger of a user's kept out: they are lost.

ALTER TABLE logs_ledger DROP CONSTRAINT logs_ledger_kind_check;
ALTER TABLE logs_ledger ADD CONSTRAINT logs_ledger_kind_check
    CHECK (kind IN ('stored', 'rejected', 'expired', 'dropped', 'cleared', 'duplicate', 'unkept'));
