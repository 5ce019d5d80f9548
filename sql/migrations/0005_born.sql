-- What was sent before a stream was made again is told from what was sent after it even where it is
-- committed later: a record sent twice, or kept by its client meanwhile. The ledger keeps when the
-- lowest number of each row was given out, as the id of its record says.

ALTER TABLE logs_ledger ADD COLUMN born timestamptz;  -- NULL: at; by the clock of the producer

-- As before; and what was born on different sides of a stream's recreation is not merged.
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
        INSERT INTO logs_ledger (stream, producer, kind, seqs, at, since, born)
        SELECT stream, producer, kind, range_agg(seqs), max(at), min(coalesce(since, at)),
               min(least(at, born))
        FROM merging
        GROUP BY stream, producer, kind, span, epochs
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM merged)
$$;
