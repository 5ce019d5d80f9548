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
