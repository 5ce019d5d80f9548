-- How many records there are of what, without counting the big table: a row each time a batch brings
-- some, written in the batch's own transaction and merged later by maintenance. Summed when read.

-- `bytes` are those of the messages.
CREATE TABLE logs_rollup (
    minute    timestamptz NOT NULL,
    level     log_level NOT NULL,
    component text COLLATE "C" NOT NULL,
    n         bigint NOT NULL,
    bytes     bigint NOT NULL
);
CREATE INDEX logs_rollup_minute ON logs_rollup (minute);

CREATE TABLE logs_pattern_rollup (
    hour    timestamptz NOT NULL,
    pattern bigint NOT NULL,
    n       bigint NOT NULL
);
CREATE INDEX logs_pattern_rollup_hour ON logs_pattern_rollup (hour);

-- What a pattern's number stands for: the message with everything masked that varies.
CREATE TABLE logs_pattern (
    pattern    bigint PRIMARY KEY,
    template   text NOT NULL,
    first_seen timestamptz NOT NULL,
    sample     uuid NOT NULL
);

-- What is there already; old rows have no pattern. Writers wait meanwhile, a second or two a million.
LOCK TABLE logs IN SHARE MODE;
INSERT INTO logs_rollup (minute, level, component, n, bytes)
SELECT date_trunc('minute', created_at, 'UTC'), level, component, count(*), sum(octet_length(message))
FROM logs
GROUP BY 1, 2, 3;

-- Sum up what several batches brought of the same; return how many rows are fewer now.
CREATE FUNCTION dewey_merge_rollups() RETURNS bigint
LANGUAGE sql SET search_path FROM CURRENT AS $$
    WITH merging AS (
        SELECT *
        FROM (SELECT ctid AS row, *, count(*) OVER (PARTITION BY minute, level, component) AS same
              FROM logs_rollup) r
        WHERE same > 1
    ), gone AS (
        DELETE FROM logs_rollup r USING merging m WHERE r.ctid = m.row RETURNING 1
    ), merged AS (
        INSERT INTO logs_rollup (minute, level, component, n, bytes)
        SELECT minute, level, component, sum(n), sum(bytes) FROM merging
        GROUP BY minute, level, component
        HAVING sum(n) <> 0
        RETURNING 1
    ), merging_patterns AS (
        SELECT *
        FROM (SELECT ctid AS row, *, count(*) OVER (PARTITION BY hour, pattern) AS same
              FROM logs_pattern_rollup) r
        WHERE same > 1
    ), gone_patterns AS (
        DELETE FROM logs_pattern_rollup r USING merging_patterns m WHERE r.ctid = m.row RETURNING 1
    ), merged_patterns AS (
        INSERT INTO logs_pattern_rollup (hour, pattern, n)
        SELECT hour, pattern, sum(n) FROM merging_patterns
        GROUP BY hour, pattern
        HAVING sum(n) <> 0
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) - (SELECT count(*) FROM merged)
         + (SELECT count(*) FROM gone_patterns) - (SELECT count(*) FROM merged_patterns)
$$;
