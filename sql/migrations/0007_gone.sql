-- Begin another epoch of a stream that a worker found missing at p_ms (Redis time), before anybody made
-- it again; return whether that was news. Said before the stream exists again, it is known to every
-- worker, whichever commits first. One that says it late, when others have settled entries of the new
-- stream, changes nothing: their ids are later than p_ms.
CREATE FUNCTION dewey_stream_gone(p_stream text, p_ms numeric) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH s AS (
        SELECT * FROM logs_streams l
        WHERE stream = p_stream AND l.last_ms < p_ms
          AND (entries_added > 0 OR EXISTS (SELECT FROM logs_ledger_entries e
                                            WHERE e.stream = l.stream AND e.epoch = l.epoch))
          AND NOT EXISTS (SELECT FROM logs_ledger_entries e
                          WHERE e.stream = l.stream AND e.epoch = l.epoch AND e.last_ms >= p_ms)
        FOR UPDATE
    ), ended AS (
        INSERT INTO logs_epochs (stream, epoch, entries_added, last_ms, last_seq, began_ms, began_seq,
                                 began_at, counted)
        SELECT s.stream, s.epoch,
               greatest(s.entries_added,
                        (SELECT max(e.added) FROM logs_ledger_entries e
                         WHERE e.stream = s.stream AND e.epoch = s.epoch),
                        (SELECT p.added FROM logs_ledger_past p
                         WHERE p.stream = s.stream AND p.epoch = s.epoch)),
               s.last_ms, s.last_seq, s.began_ms, s.began_seq, s.began_at, s.entries_added
        FROM s
    ), begun AS (
        UPDATE logs_streams t
        SET epoch = s.epoch + 1, entries_added = 0, last_ms = 0, last_seq = 0, began_ms = p_ms,
            began_seq = 0, floor_ms = 0, floor_seq = 0, began_at = now(), at = now()
        FROM s WHERE t.stream = s.stream
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM begun)
$$;

-- As dewey_epoch, which says what these mean; and a stream that was gone for a while only, as one that
-- was renamed or restored, goes on with the life it had: it holds entries from before it was missed.
CREATE FUNCTION dewey_batch_epoch(p_stream text, p_added bigint, p_last_ms numeric, p_last_seq numeric,
                                  p_first_ms numeric, p_first_seq numeric, p_present bigint,
                                  p_floor_ms numeric, p_floor_seq numeric)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    s logs_streams;
    e logs_epochs;
BEGIN
    IF p_added IS NOT NULL AND p_first_ms IS NOT NULL THEN
        SELECT * INTO s FROM logs_streams
        WHERE stream = p_stream AND epoch > 1 AND entries_added = 0
          AND (p_first_ms, p_first_seq) < (began_ms, began_seq);
        IF FOUND THEN
            SELECT * INTO s FROM logs_streams
            WHERE stream = p_stream AND epoch = s.epoch AND entries_added = 0
            FOR UPDATE;
            IF FOUND THEN
                DELETE FROM logs_epochs
                WHERE stream = p_stream AND epoch = s.epoch - 1 AND counted <= p_added
                RETURNING * INTO e;
            END IF;
            IF e.stream IS NOT NULL THEN
                UPDATE logs_ledger_entries SET epoch = e.epoch
                WHERE stream = p_stream AND epoch = s.epoch;
                UPDATE logs_streams
                SET epoch = e.epoch, entries_added = e.counted, last_ms = e.last_ms,
                    last_seq = e.last_seq, began_ms = e.began_ms, began_seq = e.began_seq,
                    began_at = e.began_at, at = now()
                WHERE stream = p_stream;
            END IF;
        END IF;
    END IF;
    RETURN dewey_epoch(p_stream, p_added, p_last_ms, p_last_seq, p_first_ms, p_first_seq, p_present,
                       p_floor_ms, p_floor_seq);
END $$;
