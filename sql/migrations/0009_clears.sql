-- Clears that keep account of themselves while they work: one that is cut short has told how far it
-- came. The defaults are for those that were entered by hand.

ALTER TABLE logs_cleared
    ADD COLUMN id       uuid PRIMARY KEY DEFAULT gen_random_uuid(),  -- the record in the log has it too
    ADD COLUMN asked_by text NOT NULL DEFAULT '',
    ADD COLUMN removed  bigint NOT NULL DEFAULT 0,
    ADD COLUMN emptied  text[] NOT NULL DEFAULT '{}',  -- the partitions that went as a whole
    ADD COLUMN finished boolean NOT NULL DEFAULT true,
    ADD COLUMN told     boolean NOT NULL DEFAULT true; -- a record in the log tells of it

-- Say whether a row was written by a transaction that began before this one (an xid as a number).
--
-- A row keeps 32 bits of its transaction, for ever: only what lies between p_began and now counts as
-- later, so that a row of long ago is taken for a new one once in a million times at most.
CREATE FUNCTION dewey_written_before(p_xmin xid, p_began bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN ((p_xmin::text::bigint - p_began) & 4294967295)
       >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint - p_began;

-- Remove everything from a partition but what was written since p_began; return how many records went.
--
-- It stays where it is: a detached one would be missing to whoever writes into that time. TRUNCATE needs
-- it alone, for some ten milliseconds whatever its size. It is not waited for: others would queue up
-- behind us. What came later is found by the rollups, which every batch writes too; they end as what
-- stays. They are added to and not replaced, because merging may be at work on them.
CREATE FUNCTION dewey_empty_partition(p_name text, p_began bigint, p_clear uuid) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '100ms' AS $$
DECLARE
    p       record;
    staying logs[];
    n       bigint;
BEGIN
    SELECT low, high INTO STRICT p FROM dewey_partitions() WHERE name = p_name;
    IF NOT EXISTS (SELECT FROM logs WHERE created_at >= p.low AND created_at < p.high) THEN
        RETURN 0;
    END IF;
    EXECUTE format('LOCK TABLE %I IN SHARE MODE', p_name);
    SELECT array_agg(l) INTO staying
    FROM (SELECT DISTINCT minute FROM logs_rollup
          WHERE minute >= p.low AND minute < p.high AND NOT dewey_written_before(xmin, p_began)) late
    JOIN logs l ON l.created_at >= late.minute AND l.created_at < late.minute + interval '1 minute'
    WHERE l.created_at >= p.low AND l.created_at < p.high
      AND NOT dewey_written_before(l.xmin, p_began);

    WITH minutes AS (
        INSERT INTO logs_rollup (minute, level, component, n, bytes)
        SELECT minute, level, component, sum(r.n), sum(r.bytes)
        FROM (SELECT minute, level, component, -r.n AS n, -r.bytes AS bytes
              FROM logs_rollup r WHERE minute >= p.low AND minute < p.high
              UNION ALL
              SELECT date_trunc('minute', created_at, 'UTC'), level, component, 1,
                     octet_length(message)
              FROM unnest(staying)) r
        GROUP BY minute, level, component
        HAVING sum(r.n) <> 0 OR sum(r.bytes) <> 0
        RETURNING logs_rollup.n
    ), hours AS (
        INSERT INTO logs_pattern_rollup (hour, pattern, n)
        SELECT hour, pattern, sum(r.n)
        FROM (SELECT hour, pattern, -r.n AS n
              FROM logs_pattern_rollup r WHERE hour >= p.low AND hour < p.high
              UNION ALL
              SELECT date_trunc('hour', created_at, 'UTC'), pattern, 1
              FROM unnest(staying) WHERE pattern IS NOT NULL) r
        GROUP BY hour, pattern
        HAVING sum(r.n) <> 0
    )
    SELECT coalesce(-sum(m.n), 0) INTO n FROM minutes m;

    EXECUTE format('TRUNCATE %I', p_name);
    INSERT INTO logs SELECT (s).* FROM unnest(staying) s;
    UPDATE logs_cleared SET removed = removed + n, emptied = emptied || p_name
    WHERE id = p_clear AND n > 0;
    RETURN n;
END $$;

INSERT INTO dewey_rights (kind, name, writer, reader) VALUES
    ('FUNCTION', 'dewey_written_before', NULL, NULL),
    ('FUNCTION', 'dewey_empty_partition', NULL, NULL);
