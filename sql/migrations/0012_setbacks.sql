-- A stream may come back as it was a little earlier: Redis lost the end of its log, a replica that lagged
-- took over, somebody restored a dump. It is the same stream, so its life goes on; what was added to it
-- and taken away again is kept beside the counter, which knows no more of it.

-- `known` entries had been added up to some id between `low`, the last one that is left, and `next`, the
-- first one that came afterwards; `added` is what the stream counts up to there now.
CREATE TABLE logs_setbacks (
    stream   text NOT NULL,
    epoch    int NOT NULL,
    low_ms   numeric(20) NOT NULL,
    low_seq  numeric(20) NOT NULL,
    next_ms  numeric(20) NOT NULL,
    next_seq numeric(20) NOT NULL,
    known    bigint NOT NULL,
    added    bigint NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, epoch, next_ms, next_seq)
);

-- Keep that a stream was set back, as somebody saw who knew that p_known entries had been added up to
-- (p_at_ms, p_at_seq); return whether that was news. Each tells what it knows, and the most is kept: what
-- lay between the same two entries was taken away at once, for what comes later has later ids.
--
-- A checkpoint that was taken away, too, is replaced by what the stream says now.
CREATE FUNCTION dewey_set_back(p_stream text, p_at_ms numeric, p_at_seq numeric, p_known bigint,
                               p_low_ms numeric, p_low_seq numeric, p_next_ms numeric,
                               p_next_seq numeric, p_added bigint, p_now_added bigint,
                               p_now_ms numeric, p_now_seq numeric)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    s logs_streams;
    b logs_setbacks;
BEGIN
    SELECT * INTO s FROM logs_streams WHERE stream = p_stream FOR UPDATE;
    IF NOT FOUND OR s.epoch > 1 AND (p_at_ms, p_at_seq) < (s.began_ms, s.began_seq) THEN
        RETURN false;
    END IF;
    UPDATE logs_streams
    SET entries_added = p_now_added, last_ms = p_now_ms, last_seq = p_now_seq, at = now()
    WHERE stream = p_stream AND (last_ms, last_seq) < (p_next_ms, p_next_seq);
    SELECT * INTO b FROM logs_setbacks
    WHERE stream = p_stream AND epoch = s.epoch AND (low_ms, low_seq) < (p_at_ms, p_at_seq)
      AND (p_at_ms, p_at_seq) < (next_ms, next_seq)
    ORDER BY next_ms, next_seq LIMIT 1;
    IF NOT FOUND THEN
        INSERT INTO logs_setbacks (stream, epoch, low_ms, low_seq, next_ms, next_seq, known, added)
        VALUES (p_stream, s.epoch, p_low_ms, p_low_seq, p_next_ms, p_next_seq, p_known, p_added);
        RETURN true;
    END IF;
    UPDATE logs_setbacks SET known = p_known
    WHERE stream = p_stream AND epoch = s.epoch AND (next_ms, next_seq) = (b.next_ms, b.next_seq)
      AND known < p_known;
    RETURN FOUND;
END $$;

-- Return how many entries were added to a stream as it is, by every reading of its counter. Readings
-- from before it was set back are of another count.
CREATE FUNCTION dewey_added(p_stream text, p_epoch int, p_counted bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH back AS (
        SELECT next_ms, next_seq FROM logs_setbacks WHERE stream = p_stream AND epoch = p_epoch
        ORDER BY next_ms DESC, next_seq DESC LIMIT 1
    )
    SELECT greatest(p_counted,
                    (SELECT max(added) FROM logs_ledger_entries
                     WHERE stream = p_stream AND epoch = p_epoch
                       AND ((first_ms, first_seq) < (SELECT next_ms, next_seq FROM back))
                           IS NOT TRUE),
                    (SELECT added FROM logs_ledger_past
                     WHERE stream = p_stream AND epoch = p_epoch AND NOT EXISTS (SELECT FROM back)))
$$;

-- As before; but a stream that still holds entries from before the checkpoint is the same one: if it counts
-- less it was set back, which whoever learns of the checkpoint looks into (dewey_set_back). Until then the
-- checkpoint stays, and a batch that was read before does not move it back.
CREATE OR REPLACE FUNCTION dewey_epoch(p_stream text, p_added bigint, p_last_ms numeric, p_last_seq numeric,
                            p_first_ms numeric DEFAULT NULL, p_first_seq numeric DEFAULT NULL,
                            p_present bigint DEFAULT NULL,
                            p_floor_ms numeric DEFAULT NULL, p_floor_seq numeric DEFAULT NULL)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    s logs_streams;
    h logs_epochs;
BEGIN
    SELECT * INTO s FROM logs_streams WHERE stream = p_stream;
    IF NOT FOUND THEN
        INSERT INTO logs_streams (stream, entries_added, last_ms, last_seq, floor_ms, floor_seq)
        VALUES (p_stream, coalesce(p_added, 0), coalesce(p_last_ms, 0), coalesce(p_last_seq, 0),
                coalesce(p_floor_ms, 0), coalesce(p_floor_seq, 0))
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
    IF s.epoch > 1 AND p_last_ms IS NOT NULL
       AND (p_last_ms, p_last_seq) < (s.began_ms, s.began_seq) THEN
        SELECT * INTO h FROM logs_epochs
        WHERE stream = p_stream AND (began_ms, began_seq) <= (p_last_ms, p_last_seq)
        ORDER BY epoch DESC LIMIT 1;
        IF FOUND AND NOT (p_added < h.entries_added
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

-- As before, with dewey_added.
CREATE OR REPLACE FUNCTION dewey_stream_gone(p_stream text, p_ms numeric) RETURNS boolean
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
        SELECT s.stream, s.epoch, dewey_added(s.stream, s.epoch, s.entries_added), s.last_ms,
               s.last_seq, s.began_ms, s.began_seq, s.began_at, s.entries_added
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

-- As before; and one that comes back may have been set back, too.
CREATE OR REPLACE FUNCTION dewey_batch_epoch(
    p_stream text, p_added bigint, p_last_ms numeric, p_last_seq numeric, p_first_ms numeric,
    p_first_seq numeric, p_present bigint, p_floor_ms numeric, p_floor_seq numeric)
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
                WHERE stream = p_stream AND epoch = s.epoch - 1
                RETURNING * INTO e;
            END IF;
            IF e.stream IS NOT NULL THEN
                UPDATE logs_ledger_entries SET epoch = e.epoch
                WHERE stream = p_stream AND epoch = s.epoch;
                UPDATE logs_setbacks SET epoch = e.epoch
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

-- As before; and what was committed on different sides of a setback is not merged.
CREATE OR REPLACE FUNCTION dewey_merge_numbers() RETURNS bigint
LANGUAGE sql SET search_path FROM CURRENT AS $$
    WITH placed AS (
        SELECT l.ctid AS row, l.*,
               CASE WHEN at > now() - interval '2 days' THEN date_trunc('hour', at, 'UTC')
                    WHEN at > now() - interval '60 days' THEN date_trunc('day', at, 'UTC')
                    ELSE date_trunc('month', at, 'UTC') END AS span,
               width_bucket(least(at, born), ARRAY(  -- how many began before it
                   SELECT began_at + interval '1 microsecond'
                   FROM (SELECT began_at FROM logs_streams
                         UNION ALL SELECT began_at FROM logs_epochs
                         UNION ALL SELECT at FROM logs_setbacks) e
                   ORDER BY began_at)) AS epochs
        FROM logs_ledger l
        WHERE at < now() - interval '1 hour'
    ), merging AS (
        SELECT *
        FROM (SELECT *, count(*) OVER (PARTITION BY stream, producer, kind, span, epochs) AS same
              FROM placed) p
        WHERE same > 1
    ), gone AS (
        DELETE FROM logs_ledger l USING merging m WHERE l.ctid = m.row RETURNING 1
    ), merged AS (
        INSERT INTO logs_ledger (stream, producer, kind, seqs, at, since, born)
        SELECT stream, producer, kind, range_agg(seqs), max(at), min(coalesce(since, at)),
               min(least(at, born))
        FROM merging
        GROUP BY stream, producer, kind, span, epochs
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM merged)
$$;

-- A batch learns of the checkpoint that it replaces, to see whether the stream still stands by it.
INSERT INTO dewey_rights (kind, name, writer, reader) VALUES
    ('TABLE', 'logs_setbacks', NULL, 'SELECT'),
    ('FUNCTION', 'dewey_set_back', 'EXECUTE', NULL),
    ('FUNCTION', 'dewey_added', NULL, NULL);
UPDATE dewey_rights SET writer = 'SELECT (stream, epoch, entries_added, last_ms, last_seq)'
WHERE (kind, name) = ('TABLE', 'logs_streams');
UPDATE dewey_rights SET writer = 'SELECT (stream, epoch, counted, last_ms, last_seq)'
WHERE (kind, name) = ('TABLE', 'logs_epochs');
