-- Counts by the hour, so that a week is summed up in milliseconds, and merging that looks at what is new
-- alone, so that it can run every minute: at 10,000 records a second an hour brings a million rows of
-- rollup, and whoever asks would sum up all of them.

-- What the merged minutes add up to. `merged` rows of logs_rollup are in here, the others are not yet.
CREATE TABLE logs_rollup_hour (
    hour      timestamptz NOT NULL,
    level     log_level NOT NULL,
    component text COLLATE "C" NOT NULL,
    n         bigint NOT NULL,
    bytes     bigint NOT NULL,
    PRIMARY KEY (hour, level, component)
);

ALTER TABLE logs_rollup ADD COLUMN merged boolean NOT NULL DEFAULT false;
ALTER TABLE logs_pattern_rollup ADD COLUMN merged boolean NOT NULL DEFAULT false;
CREATE INDEX logs_rollup_new ON logs_rollup (minute) WHERE NOT merged;
CREATE INDEX logs_pattern_rollup_new ON logs_pattern_rollup (hour) WHERE NOT merged;

INSERT INTO dewey_rights (kind, name, writer, reader) VALUES
    ('TABLE', 'logs_rollup_hour', NULL, 'SELECT'),
    ('FUNCTION', 'dewey_counts', NULL, 'EXECUTE');

-- Sum up what batches brought since the last time, with what was merged before of the same minutes
-- and hours; return how many rows are fewer now. One at a time: the callers hold a lock.
CREATE OR REPLACE FUNCTION dewey_merge_rollups() RETURNS bigint
LANGUAGE sql SET search_path FROM CURRENT AS $$
    WITH fresh AS (
        DELETE FROM logs_rollup WHERE NOT merged RETURNING minute, level, component, n, bytes
    ), sums AS MATERIALIZED (
        SELECT minute, level, component, sum(n) AS n, sum(bytes) AS bytes FROM fresh
        GROUP BY minute, level, component
    ), before AS (
        DELETE FROM logs_rollup r USING sums s
        WHERE r.merged AND r.minute = s.minute AND r.level = s.level AND r.component = s.component
        RETURNING r.minute, r.level, r.component, r.n, r.bytes
    ), minutes AS (
        INSERT INTO logs_rollup (minute, level, component, n, bytes, merged)
        SELECT minute, level, component, sum(n), sum(bytes), true
        FROM (SELECT * FROM sums UNION ALL SELECT * FROM before) b
        GROUP BY minute, level, component
        HAVING sum(n) <> 0
        RETURNING 1
    ), hours AS (
        INSERT INTO logs_rollup_hour AS h (hour, level, component, n, bytes)
        SELECT date_trunc('hour', minute, 'UTC'), level, component, sum(n), sum(bytes) FROM sums
        GROUP BY 1, 2, 3
        ON CONFLICT (hour, level, component)
        DO UPDATE SET n = h.n + excluded.n, bytes = h.bytes + excluded.bytes
    ), fresh_patterns AS (
        DELETE FROM logs_pattern_rollup WHERE NOT merged RETURNING hour, pattern, n
    ), pattern_sums AS MATERIALIZED (
        SELECT hour, pattern, sum(n) AS n FROM fresh_patterns GROUP BY hour, pattern
    ), patterns_before AS (
        DELETE FROM logs_pattern_rollup r USING pattern_sums s
        WHERE r.merged AND r.hour = s.hour AND r.pattern = s.pattern
        RETURNING r.hour, r.pattern, r.n
    ), patterns AS (
        INSERT INTO logs_pattern_rollup (hour, pattern, n, merged)
        SELECT hour, pattern, sum(n), true
        FROM (SELECT * FROM pattern_sums UNION ALL SELECT * FROM patterns_before) b
        GROUP BY hour, pattern
        HAVING sum(n) <> 0
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM fresh) + (SELECT count(*) FROM before)
         - (SELECT count(*) FROM minutes)
         + (SELECT count(*) FROM fresh_patterns) + (SELECT count(*) FROM patterns_before)
         - (SELECT count(*) FROM patterns)
$$;

-- Return the counts of a stretch of time (NULL: without end): by the hour, and by the minute what is not
-- merged yet and what lies in an hour that is not asked for as a whole. Every record is in one row.
CREATE FUNCTION dewey_counts(low timestamptz, high timestamptz)
RETURNS TABLE (created_at timestamptz, level log_level, component text, n bigint, bytes bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT h.hour, h.level, h.component, h.n, h.bytes
    FROM logs_rollup_hour h
    WHERE h.hour >= coalesce(low, '-infinity')
      AND h.hour < coalesce(date_bin('1 hour', high, 'epoch'), 'infinity')
    UNION ALL
    SELECT r.minute, r.level, r.component, r.n, r.bytes
    FROM logs_rollup r
    WHERE NOT r.merged
      AND r.minute >= coalesce(date_bin('1 hour', low + interval '59 min 59.999999 s', 'epoch'), '-infinity')
      AND r.minute < coalesce(date_bin('1 hour', high, 'epoch'), 'infinity')
    UNION ALL
    SELECT r.minute, r.level, r.component, r.n, r.bytes
    FROM logs_rollup r
    WHERE r.minute >= low
      AND r.minute < least(date_bin('1 hour', low + interval '59 min 59.999999 s', 'epoch'), high)
    UNION ALL
    SELECT r.minute, r.level, r.component, r.n, r.bytes
    FROM logs_rollup r
    WHERE r.minute >= greatest(date_bin('1 hour', high, 'epoch'),
                               date_bin('1 hour', low + interval '59 min 59.999999 s', 'epoch'))
      AND r.minute < high
$$;
