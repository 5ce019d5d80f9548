-- A stream of which nothing was committed may be deleted and made again while a worker holds what it had.
-- If a peer is the first to commit, of the new stream, what is committed then is of a life before the
-- first one. It is told by ids: a stream of which nothing was removed begins with its first entry.

-- As before; and the first reading of all says where the stream began, if it can. Batches of a life that
-- is over belong to it in whatever order they are committed.
CREATE OR REPLACE FUNCTION dewey_epoch(p_stream text, p_added bigint, p_last_ms numeric, p_last_seq numeric,
                            p_first_ms numeric DEFAULT NULL, p_first_seq numeric DEFAULT NULL,
                            p_present bigint DEFAULT NULL,
                            p_floor_ms numeric DEFAULT NULL, p_floor_seq numeric DEFAULT NULL)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    s logs_streams;
    h logs_epochs;
    whole boolean;
BEGIN
    SELECT * INTO s FROM logs_streams WHERE stream = p_stream;
    IF NOT FOUND THEN
        whole := p_added > 0 AND p_present = p_added;
        INSERT INTO logs_streams (stream, entries_added, last_ms, last_seq, floor_ms, floor_seq,
                                  began_ms, began_seq)
        VALUES (p_stream, coalesce(p_added, 0), coalesce(p_last_ms, 0), coalesce(p_last_seq, 0),
                coalesce(p_floor_ms, 0), coalesce(p_floor_seq, 0),
                CASE WHEN whole THEN p_first_ms ELSE 0 END,
                CASE WHEN whole THEN p_first_seq ELSE 0 END)
        ON CONFLICT DO NOTHING;
        SELECT * INTO s FROM logs_streams WHERE stream = p_stream;
    END IF;
    IF p_added IS NULL THEN
        RETURN s.epoch;
    END IF;

    IF (p_added < s.entries_added OR p_added = s.entries_added AND p_last_ms IS NOT NULL)
       AND (p_last_ms IS NULL OR (p_last_ms, p_last_seq) > (s.last_ms, s.last_seq))
       AND ((p_first_ms, p_first_seq) <= (s.last_ms, s.last_seq)) IS NOT TRUE
       OR s.entries_added > 0 AND (p_first_ms, p_first_seq) > (s.last_ms, s.last_seq)
          AND (p_present IS NULL OR p_present > p_added - s.entries_added) THEN
        SELECT * INTO s FROM logs_streams WHERE stream = p_stream FOR UPDATE;
        IF (p_added < s.entries_added OR p_added = s.entries_added AND p_last_ms IS NOT NULL)
           AND (p_last_ms IS NULL OR (p_last_ms, p_last_seq) > (s.last_ms, s.last_seq))
           AND ((p_first_ms, p_first_seq) <= (s.last_ms, s.last_seq)) IS NOT TRUE
           OR s.entries_added > 0 AND (p_first_ms, p_first_seq) > (s.last_ms, s.last_seq)
              AND (p_present IS NULL OR p_present > p_added - s.entries_added) THEN
            INSERT INTO logs_epochs (stream, epoch, entries_added, last_ms, last_seq, began_ms,
                                     began_seq, began_at, counted)
            SELECT s.stream, s.epoch, dewey_added(s.stream, s.epoch, s.entries_added), s.last_ms,
                   s.last_seq, s.began_ms, s.began_seq, s.began_at, s.entries_added;
            UPDATE logs_streams
            SET epoch = s.epoch + 1, entries_added = p_added,
                last_ms = coalesce(p_last_ms, 0), last_seq = coalesce(p_last_seq, 0),
                began_ms = coalesce(p_last_ms, 0), began_seq = coalesce(p_last_seq, 0),
                floor_ms = coalesce(p_floor_ms, 0), floor_seq = coalesce(p_floor_seq, 0),
                began_at = now(), at = now()
            WHERE stream = p_stream;
            RETURN s.epoch + 1;
        END IF;
    END IF;

    -- A batch that was read before the stream was made again and is committed after.
    IF (p_last_ms, p_last_seq) < (s.began_ms, s.began_seq) THEN
        SELECT * INTO h FROM logs_epochs
        WHERE stream = p_stream AND (began_ms, began_seq) <= (p_last_ms, p_last_seq)
        ORDER BY epoch DESC LIMIT 1;
        IF NOT FOUND THEN
            INSERT INTO logs_epochs (stream, epoch, entries_added, last_ms, last_seq, began_at, counted)
            SELECT p_stream, coalesce(min(epoch), s.epoch) - 1, p_added, p_last_ms, p_last_seq,
                   s.began_at, p_added
            FROM logs_epochs WHERE stream = p_stream
            ON CONFLICT (stream, epoch) DO UPDATE SET entries_added = logs_epochs.entries_added
            RETURNING * INTO h;
        END IF;
        IF FOUND AND NOT (p_added < coalesce(h.counted, h.entries_added)
                          AND (p_last_ms, p_last_seq) > (h.last_ms, h.last_seq)) THEN
            UPDATE logs_epochs SET entries_added = greatest(entries_added, p_added)
            WHERE stream = h.stream AND epoch = h.epoch AND entries_added < p_added;
            RETURN h.epoch;
        END IF;
    END IF;

    UPDATE logs_streams t
    SET entries_added = p_added, at = now(),
        last_ms = coalesce(p_last_ms, t.last_ms), last_seq = coalesce(p_last_seq, t.last_seq),
        floor_ms = coalesce(p_floor_ms, t.floor_ms), floor_seq = coalesce(p_floor_seq, t.floor_seq)
    FROM (SELECT stream FROM logs_streams
          WHERE stream = p_stream AND epoch = s.epoch AND entries_added < p_added
            AND ((p_last_ms, p_last_seq) < (last_ms, last_seq)) IS NOT TRUE
          FOR UPDATE SKIP LOCKED) free
    WHERE t.stream = free.stream;
    RETURN s.epoch;
END $$;
