-- The ledger stays small: rows that can tell nothing new any more are merged in the background. And it
-- tells streams apart, so that two in one database are each audited alone.

-- ----------------------------------------------------------------------------------------- numbers

-- A merged row stands for everything committed from `since` to `at`.
ALTER TABLE logs_ledger ADD COLUMN since timestamptz,  -- NULL: at
                        ADD COLUMN stream text NOT NULL DEFAULT '';  -- from before there was one: any

-- Merge rows of long ago by stream, producer and kind: of the last two days within an hour, of the
-- last two months within a day, of earlier ones within a month. Return how many rows are fewer now.
--
-- Rows of the last hour stay as they are: an audit tells from their times which numbers may still be
-- settling. So do times on either side of a stream's recreation: an audit asks what came before it.
CREATE FUNCTION dewey_merge_numbers() RETURNS bigint
LANGUAGE sql SET search_path FROM CURRENT AS $$
    WITH placed AS (
        SELECT l.ctid AS row, l.*,
               CASE WHEN at > now() - interval '2 days' THEN date_trunc('hour', at, 'UTC')
                    WHEN at > now() - interval '60 days' THEN date_trunc('day', at, 'UTC')
                    ELSE date_trunc('month', at, 'UTC') END AS span,
               width_bucket(at, ARRAY(  -- how many began before it
                   SELECT began_at + interval '1 microsecond'
                   FROM (SELECT began_at FROM logs_streams
                         UNION ALL SELECT began_at FROM logs_epochs) e
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
        INSERT INTO logs_ledger (stream, producer, kind, seqs, at, since)
        SELECT stream, producer, kind, range_agg(seqs), max(at), min(coalesce(since, at))
        FROM merging
        GROUP BY stream, producer, kind, span, epochs
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM merged)
$$;

-- ----------------------------------------------------------------------------------------- entries

-- Before `floor` every entry of the stream is settled or gone, said a worker: it stands before the
-- first entry that is left and before the first one that is pending.
ALTER TABLE logs_streams ADD COLUMN floor_ms numeric(20) NOT NULL DEFAULT 0,
                         ADD COLUMN floor_seq numeric(20) NOT NULL DEFAULT 0;

ALTER TABLE logs_epochs ADD COLUMN began_ms numeric(20) NOT NULL DEFAULT 0,
                        ADD COLUMN began_seq numeric(20) NOT NULL DEFAULT 0,
                        ADD COLUMN counted bigint;  -- entries-added of the reading of last_ms

-- What was settled of a stream before `bound`, as sums. `vanished` were trimmed while pending and
-- settled by nobody; `added` is the highest entries-added among what was merged.
CREATE TABLE logs_ledger_past (
    stream    text NOT NULL,
    epoch     int NOT NULL,
    bound_ms  numeric(20) NOT NULL,
    bound_seq numeric(20) NOT NULL,
    settled   bigint NOT NULL,
    vanished  bigint NOT NULL,
    added     bigint,
    PRIMARY KEY (stream, epoch)
);

-- A worker may have held entries for hours while they were trimmed and the bound went past them. What
-- it then commits for the first time is `late`: nobody else can have counted it (dewey_logs/ledger.py).
ALTER TABLE logs_ledger_entries DROP CONSTRAINT logs_ledger_entries_delivery_check;
ALTER TABLE logs_ledger_entries ADD CONSTRAINT logs_ledger_entries_delivery_check
    CHECK (delivery IN ('new', 'again', 'vanished', 'late'));

-- Return the entries before (p_ms, p_seq) that were delivered again, or vanished, and that no first
-- delivery settled; NULL is no limit. Runs of first deliveries never overlap, so the nearest one below
-- is the only one that can hold an entry. What lies below the bound is merged, and was counted.
CREATE FUNCTION dewey_alone(p_stream text, p_epoch int, p_ms numeric, p_seq numeric)
RETURNS TABLE (delivery text, ms numeric, seq numeric)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT DISTINCT a.delivery, a.first_ms, a.first_seq
    FROM logs_ledger_entries a
    LEFT JOIN LATERAL (
        SELECT n.last_ms, n.last_seq FROM logs_ledger_entries n
        WHERE n.stream = p_stream AND n.epoch = p_epoch AND n.delivery = 'new'
          AND (n.first_ms, n.first_seq) <= (a.first_ms, a.first_seq)
        ORDER BY n.first_ms DESC, n.first_seq DESC LIMIT 1) n ON true
    LEFT JOIN logs_ledger_past p ON p.stream = p_stream AND p.epoch = p_epoch
    WHERE a.stream = p_stream AND a.epoch = p_epoch AND a.delivery IN ('again', 'vanished')
      AND (p_ms IS NULL OR (a.last_ms, a.last_seq) < (p_ms, p_seq))
      AND (n.last_ms IS NULL OR (n.last_ms, n.last_seq) < (a.first_ms, a.first_seq))
      AND (p.bound_ms IS NULL OR (a.first_ms, a.first_seq) >= (p.bound_ms, p.bound_seq))
$$;

-- Return what was settled of the entries before (p_ms, p_seq), and what vanished, merged rows included.
CREATE FUNCTION dewey_settled(p_stream text, p_epoch int, p_ms numeric, p_seq numeric,
                              OUT settled bigint, OUT vanished bigint)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH alone AS MATERIALIZED (
        SELECT ms, seq, bool_or(delivery = 'again') AS again
        FROM dewey_alone(p_stream, p_epoch, p_ms, p_seq) GROUP BY ms, seq
    ), sums AS (
        SELECT sum(n) AS n FROM logs_ledger_entries
        WHERE stream = p_stream AND epoch = p_epoch AND delivery IN ('new', 'late')
          AND (p_ms IS NULL OR (last_ms, last_seq) < (p_ms, p_seq))
    ), past AS (
        SELECT settled, vanished FROM logs_ledger_past WHERE stream = p_stream AND epoch = p_epoch
    )
    SELECT coalesce((SELECT settled FROM past), 0) + coalesce((SELECT n FROM sums), 0)::bigint
           + (SELECT count(*) FROM alone WHERE again),
           coalesce((SELECT vanished FROM past), 0) + (SELECT count(*) FROM alone WHERE NOT again)
$$;

-- Return how many entries after (p_ms, p_seq) were settled or vanished, at least: of the one run that may
-- reach over that id nobody knows how many lie on which side, only that its last one is behind it.
CREATE FUNCTION dewey_beyond(p_stream text, p_epoch int, p_ms numeric, p_seq numeric)
RETURNS bigint LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT coalesce((SELECT sum(n) FROM logs_ledger_entries
                     WHERE stream = p_stream AND epoch = p_epoch AND delivery IN ('new', 'late')
                       AND (first_ms, first_seq) > (p_ms, p_seq)), 0)::bigint
         + (SELECT count(*)
            FROM (SELECT last_ms, last_seq FROM logs_ledger_entries
                  WHERE stream = p_stream AND epoch = p_epoch AND delivery = 'new'
                    AND (first_ms, first_seq) <= (p_ms, p_seq)
                  ORDER BY first_ms DESC, first_seq DESC LIMIT 1) below
            WHERE (last_ms, last_seq) > (p_ms, p_seq))
         + (SELECT count(DISTINCT (ms, seq)) FROM dewey_alone(p_stream, p_epoch, NULL, NULL)
            WHERE (ms, seq) > (p_ms, p_seq))
$$;

-- Merge what was settled of a stream's entries long ago; return how many rows are fewer now.
--
-- The bound is the floor, or the first entry of the last hour's rows if that is lower: a worker may
-- have been slower than its peers. Of a stream that is gone what lies behind its last checkpoint stays:
-- nothing else tells how much was added after it. What is summed up and what is deleted must be the same
-- rows, so this runs in one snapshot only.
CREATE FUNCTION dewey_merge_entries(p_stream text) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    ms    numeric;
    seq   numeric;
    n     bigint := 0;
    found record;
BEGIN
    IF current_setting('transaction_isolation') <> 'repeatable read' THEN
        RAISE 'dewey_merge_entries needs a transaction of isolation level REPEATABLE READ';
    END IF;
    SELECT b.ms, b.seq INTO ms, seq
    FROM (SELECT floor_ms AS ms, floor_seq AS seq FROM logs_streams WHERE stream = p_stream
          UNION ALL
          SELECT first_ms, first_seq FROM logs_ledger_entries
          WHERE stream = p_stream AND at >= now() - interval '1 hour' AND delivery <> 'late') b
    ORDER BY b.ms, b.seq LIMIT 1;
    FOR found IN
        SELECT e.epoch, b.ms, b.seq, count(*) AS rows, max(e.added) AS added
        FROM logs_ledger_entries e
        LEFT JOIN logs_ledger_past p USING (stream, epoch)
        LEFT JOIN logs_epochs gone USING (stream, epoch)
        CROSS JOIN LATERAL (
            SELECT edge.ms, edge.seq
            FROM (VALUES (ms, seq), (gone.last_ms, gone.last_seq + 1)) edge(ms, seq)
            WHERE edge.ms IS NOT NULL
            ORDER BY edge.ms, edge.seq LIMIT 1) b
        WHERE e.stream = p_stream AND (e.last_ms, e.last_seq) < (b.ms, b.seq)
          AND (p.bound_ms IS NULL OR (p.bound_ms, p.bound_seq) <= (b.ms, b.seq))
        GROUP BY e.epoch, b.ms, b.seq
    LOOP
        INSERT INTO logs_ledger_past AS past
        SELECT p_stream, found.epoch, found.ms, found.seq, s.settled, s.vanished, found.added
        FROM dewey_settled(p_stream, found.epoch, found.ms, found.seq) s
        ON CONFLICT (stream, epoch) DO UPDATE
        SET bound_ms = excluded.bound_ms, bound_seq = excluded.bound_seq,
            settled = excluded.settled, vanished = excluded.vanished,
            added = greatest(past.added, excluded.added);
        DELETE FROM logs_ledger_entries
        WHERE stream = p_stream AND epoch = found.epoch
          AND (last_ms, last_seq) < (found.ms, found.seq);
        n := n + found.rows;
    END LOOP;
    RETURN n;
END $$;

-- As before, and it keeps the floor, and tells a recreated stream that has overtaken the old count: its
-- first entry (p_first) came after the last checkpoint, and so did all that it holds (p_present), which
-- is more than was added since by the counters. A worker that found the stream gone leaves p_present out:
-- nothing being left of what was there at the last checkpoint is enough then. (A group that is gone proves
-- nothing, for a stream may also be trimmed past the last checkpoint.) And a batch that is committed very
-- late belongs to the stream as it was when the batch was read.
DROP FUNCTION dewey_epoch(text, bigint, numeric, numeric, numeric, numeric);
CREATE FUNCTION dewey_epoch(p_stream text, p_added bigint, p_last_ms numeric, p_last_seq numeric,
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
       OR s.entries_added > 0 AND (p_first_ms, p_first_seq) > (s.last_ms, s.last_seq)
          AND (p_present IS NULL OR p_present > p_added - s.entries_added) THEN
        SELECT * INTO s FROM logs_streams WHERE stream = p_stream FOR UPDATE;
        IF (p_added < s.entries_added OR p_added = s.entries_added AND p_last_ms IS NOT NULL)
           AND (p_last_ms IS NULL OR (p_last_ms, p_last_seq) > (s.last_ms, s.last_seq))
           OR s.entries_added > 0 AND (p_first_ms, p_first_seq) > (s.last_ms, s.last_seq)
              AND (p_present IS NULL OR p_present > p_added - s.entries_added) THEN
            INSERT INTO logs_epochs (stream, epoch, entries_added, last_ms, last_seq, began_ms,
                                     began_seq, began_at, counted)
            SELECT s.stream, s.epoch,
                   greatest(s.entries_added,
                            (SELECT max(e.added) FROM logs_ledger_entries e
                             WHERE e.stream = s.stream AND e.epoch = s.epoch),
                            (SELECT p.added FROM logs_ledger_past p
                             WHERE p.stream = s.stream AND p.epoch = s.epoch)),
                   s.last_ms, s.last_seq, s.began_ms, s.began_seq, s.began_at, s.entries_added;
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
          FOR UPDATE SKIP LOCKED) free
    WHERE t.stream = free.stream;
    RETURN s.epoch;
END $$;
