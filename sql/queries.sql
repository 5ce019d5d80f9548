-- Statements of dewey_logs, by name. Values are always parameters.

-- name: make_migrations_table
CREATE TABLE IF NOT EXISTS dewey_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: place
-- Where something new is made, where a store is found, and how the database keeps text.
SELECT current_schema(),
       (SELECT nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
        WHERE c.oid = to_regclass('dewey_migrations')),
       current_setting('server_encoding');

-- name: letters
-- Whether the database knows capitals beyond ASCII, and by which locale.
SELECT lower(U&'\00C4') = U&'\00E4', datctype FROM pg_database WHERE datname = current_database();

-- name: missing_partitions
-- The accepted window and three days ahead, but nothing that retention would drop at once. Of shorter
-- partitions those from now on, a day ahead: what comes late makes its own.
SELECT at
FROM (SELECT value::interval AS length FROM logs_settings WHERE name = 'partition_interval') chosen,
     dewey_window() w,
     LATERAL (
         SELECT generate_series(
             now() - least(w.back_seconds, %(keep_seconds)s) * interval '1 second',
             now() + greatest(w.ahead_seconds, 3 * 86400) * interval '1 second',
             interval '24 hours') AS at
         WHERE length = interval '24 hours'
         UNION ALL
         SELECT generate_series(now(), now() + interval '24 hours', length)
         WHERE length < interval '24 hours') times
WHERE NOT EXISTS (SELECT FROM dewey_partitions() p WHERE p.low <= at AND at < p.high)
ORDER BY at;

-- name: half_detached
SELECT name, low, high FROM dewey_partitions() WHERE pending;

-- name: users_of_partition
-- The transactions that have used it, or the log, and are not over yet.
SELECT virtualtransaction FROM pg_locks
WHERE relation IN ('logs'::regclass, to_regclass(%(part)s)) AND granted AND pid IS DISTINCT FROM pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: detached
-- The times of what a run has detached and not dropped, and what retention spares.
SELECT low FROM dewey_left(%(mark)s)
WHERE date_trunc('day', low, 'UTC') + interval '24 hours' > now() - make_interval(days => %(days)s)
ORDER BY low;

-- name: choose
INSERT INTO logs_settings AS s VALUES (%(name)s, %(value)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE s.value <> excluded.value
RETURNING 1;

-- name: indexes_to_build
-- The indexes for search that are missing and due, the oldest first. A partition that is over (or, with `live`,
-- any) gets those of the whole of it, or of the rest where parts have theirs. One that is still filled gets
-- those of a part when what is settled of the rest outgrows `many_rows`; the more there is, the longer the parts,
-- so that their number grows with its logarithm. An index that is not valid was cut short.
WITH chosen AS (
    SELECT value = 'live' AS live FROM logs_settings WHERE name = 'search_index'
), parts AS MATERIALIZED (
    SELECT * FROM dewey_part_indexes()
), partitions AS MATERIALIZED (
    SELECT p.part, p.name, p.low, p.high,
           chosen.live OR p.high < now() - %(over_s)s * interval '1 second' AS over,
           EXISTS (SELECT FROM dewey_search_indexes(p.name) i JOIN pg_class c ON c.relname = i.name::name
                   JOIN pg_index x ON x.indexrelid = c.oid AND x.indrelid = p.part) AS whole,
           (SELECT max(s.high) FROM parts s WHERE s.part = p.part) AS parted
    FROM dewey_partitions() p CROSS JOIN chosen
    WHERE NOT p.pending AND pg_relation_size(p.part) > 0
), due AS (
    SELECT part, NULL::timestamptz AS low, NULL::timestamptz AS high FROM partitions
    WHERE over AND (whole OR parted IS NULL)
    UNION ALL
    SELECT part, parted, high FROM partitions WHERE over AND NOT whole AND parted < high
    UNION ALL
    SELECT DISTINCT part, low, high FROM parts
    UNION ALL
    SELECT p.part, rest.low, settled.high
    FROM partitions p
    CROSS JOIN LATERAL (SELECT coalesce(p.parted, p.low) AS low) rest
    CROSS JOIN LATERAL (
        SELECT date_trunc('second', created_at) - %(settle_s)s * interval '1 second' AS high FROM logs
        WHERE created_at >= rest.low AND created_at < least(p.high, now())
        ORDER BY created_at DESC LIMIT 1) settled
    CROSS JOIN LATERAL (SELECT sum(n) AS n FROM dewey_counts(p.low, rest.low)) before
    CROSS JOIN LATERAL (SELECT sum(n) AS n FROM dewey_counts(rest.low, settled.high)) more
    WHERE NOT p.over AND NOT p.whole
      AND more.n > greatest(%(many_rows)s, before.n / %(most_share)s)
)
SELECT p.name, built.name, built.definition, x.indexrelid IS NOT NULL AS broken
FROM due d
JOIN partitions p ON p.part = d.part
CROSS JOIN LATERAL dewey_search_indexes(p.name) i
CROSS JOIN LATERAL (
    SELECT i.name || coalesce(to_char(d.low AT TIME ZONE 'UTC', '_HH24MISS'), '') AS name,
           i.definition || CASE WHEN d.low IS NULL THEN ''
               ELSE format(' WHERE created_at < %%L AND created_at >= %%L', d.high, d.low) END AS definition
) built
LEFT JOIN (pg_index x JOIN pg_class c ON c.oid = x.indexrelid)
       ON x.indrelid = p.part AND c.relname = built.name::name
WHERE x.indisvalid IS NOT TRUE
ORDER BY p.low, d.low, i.name;

-- name: trigram_indexes_to_build
-- Where pg_trgm is an extension of the database: the index for substrings of each partition that is over and has
-- none. See indexes_to_build.
SELECT p.name, built.name, format('USING gin (message %%I.gin_trgm_ops)', n.nspname), x.indexrelid IS NOT NULL
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN dewey_partitions() p
CROSS JOIN LATERAL (SELECT p.name || '_trgm' AS name) built
LEFT JOIN (pg_index x JOIN pg_class c ON c.oid = x.indexrelid)
       ON x.indrelid = p.part AND c.relname = built.name::name
WHERE e.extname = 'pg_trgm' AND NOT p.pending AND p.high < now() - %(over_s)s * interval '1 second'
  AND pg_relation_size(p.part) > 0 AND x.indisvalid IS NOT TRUE
ORDER BY p.low;

-- name: indexes_to_pack
-- A partition's indexes that fill at many places at once, unless it was vacuumed to its end: then they were built
-- anew already, whatever the statistics have forgotten in a crash.
SELECT c.relname
FROM pg_inherits h
JOIN pg_index x ON x.indexrelid = h.inhrelid
JOIN pg_class c ON c.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
WHERE h.inhparent IN ('logs_trace'::regclass, 'logs_component'::regclass, 'logs_warn_component'::regclass,
                      'logs_error_component'::regclass)
  AND t.oid = to_regclass(%(part)s)
  AND t.relallvisible < pg_relation_size(t.oid) / current_setting('block_size')::int
ORDER BY c.relname;

-- name: rebuilds_cut_short
-- What PostgreSQL leaves of a REINDEX CONCURRENTLY that did not come to its end.
SELECT c.relname
FROM pg_inherits h
JOIN pg_index x ON x.indrelid = h.inhrelid
JOIN pg_class c ON c.oid = x.indexrelid
WHERE h.inhparent = 'logs'::regclass AND NOT x.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$';

-- name: partitions_to_vacuum
-- Those that are over, and were not vacuumed since.
SELECT p.name
FROM dewey_partitions() p
LEFT JOIN pg_stat_user_tables s ON s.relid = p.part
WHERE NOT p.pending AND p.high < now() - %(over_s)s * interval '1 second' AND pg_relation_size(p.part) > 0
  AND (s.last_vacuum IS NULL OR s.last_vacuum < p.high)
ORDER BY p.low;

-- name: take_maintenance
SELECT pg_try_advisory_lock(hashtext('dewey'), hashtext('maintenance'));

-- name: wait_for_maintenance
SELECT pg_advisory_lock(hashtext('dewey'), hashtext('maintenance'));

-- name: leave_maintenance
SELECT pg_advisory_unlock(hashtext('dewey'), hashtext('maintenance'));

-- name: expired_partitions
-- Those of days that ended longer ago than retention; and what a run has detached and not dropped of them.
SELECT name, attached
FROM (SELECT name, low, true AS attached FROM dewey_partitions()
      UNION ALL SELECT name, low, false FROM dewey_left(%(mark)s)) parts
WHERE date_trunc('day', low, 'UTC') + interval '24 hours' <= now() - make_interval(days => %(days)s)
ORDER BY low;

-- name: partitions_beyond
-- The oldest ones that have to go so that no more than so many bytes are left. Each counts with what is
-- newer than it: the first that fits, and all after it, stay. What is not over yet always does, and so does
-- what is empty: it would be made again at once.
SELECT name, true AS attached
FROM (SELECT *, sum(pg_total_relation_size(part)) OVER (ORDER BY low DESC) AS total
      FROM dewey_partitions()) parts
WHERE total > %(bytes)s AND high <= now() AND pg_relation_size(part) > 0
ORDER BY low;

-- name: make_incoming
-- The staging table of one connection. Spelled out: LIKE would need a right to read logs.
CREATE TEMPORARY TABLE dewey_incoming (
    created_at timestamptz, id uuid, pattern bigint, level log_level, component text, trace_id text,
    message text, data jsonb
) ON COMMIT DELETE ROWS;

-- name: copy_fresh
COPY logs (created_at, id, pattern, level, component, trace_id, message, data)
FROM STDIN (FORMAT binary);

-- name: copy_incoming
COPY dewey_incoming (created_at, id, pattern, level, component, trace_id, message, data)
FROM STDIN (FORMAT binary);

-- name: store_incoming
-- In key order, so that two workers with the same records cannot deadlock.
INSERT INTO logs (created_at, id, pattern, level, component, trace_id, message, data)
SELECT created_at, id, pattern, level, component, trace_id, message, data
FROM dewey_incoming i
WHERE i.id = ANY (%(moved)s::uuid[])
   OR NOT EXISTS (SELECT FROM logs_moved m WHERE m.id = i.id)
ORDER BY created_at, id
ON CONFLICT (created_at, id) DO NOTHING
RETURNING id;

-- name: known_under_own_time
SELECT dewey_known_under(
    %(ids)s::uuid[],
    ARRAY(SELECT timestamptz 'epoch' + us * interval '1 microsecond'
          FROM unnest(%(own_us)s::bigint[]) WITH ORDINALITY o(us, n) ORDER BY n));

-- name: store_moved
INSERT INTO logs_moved (id, created_at)
SELECT id, timestamptz 'epoch' + us * interval '1 microsecond'
FROM unnest(%(ids)s::uuid[], %(created_us)s::bigint[]) m(id, us)
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: absent
-- Those of the records that stand neither in logs nor, unless it was us who entered them, in logs_moved: none
-- where no row trigger of a user's is (tgtype: for each row, before, insert). The bounds are constants to the
-- planner, so that no lock on any other day is waited for.
SELECT r.id
FROM unnest(%(ids)s::uuid[], %(us)s::bigint[]) r(id, us)
WHERE (SELECT count(*) FROM pg_trigger t
       WHERE NOT t.tgisinternal AND t.tgtype & 7 = 7
         AND (t.tgrelid = 'logs'::regclass
              OR t.tgrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'logs'::regclass))) > 0
  AND NOT EXISTS (SELECT FROM logs l
                  WHERE l.created_at = timestamptz 'epoch' + r.us * interval '1 microsecond'
                    AND l.id = r.id
                    AND l.created_at >= to_timestamp(%(from_s)s::float8)
                    AND l.created_at < to_timestamp(%(until_s)s::float8))
  AND (r.id = ANY (%(moved)s::uuid[]) OR NOT EXISTS (SELECT FROM logs_moved m WHERE m.id = r.id));

-- name: moved_among
SELECT id FROM logs_moved WHERE id = ANY (%(ids)s::uuid[]) LIMIT 1;

-- name: store_reject
INSERT INTO logs_rejected (record_id, stream, entry, reason, sqlstate, field_names, field_values,
                           producer, sequence, deliveries)
VALUES (%(id)s::uuid, %(stream)s, %(entry)s, %(reason)s, %(sqlstate)s, %(names)s::bytea[],
        %(values)s::bytea[], %(producer)s, %(sequence)s, %(deliveries)s)
ON CONFLICT (record_id) DO NOTHING;

-- name: unkept
-- Those that have no dead letter although one was inserted just now.
SELECT r.id FROM unnest(%(ids)s::uuid[]) r(id)
WHERE NOT EXISTS (SELECT FROM logs_rejected d WHERE d.record_id = r.id);

-- name: store_patterns
INSERT INTO logs_pattern (pattern, template, first_seen, sample)
SELECT pattern, template, timestamptz 'epoch' + us * interval '1 microsecond', sample
FROM unnest(%(patterns)s::bigint[], %(templates)s::text[], %(times_us)s::bigint[],
            %(samples)s::uuid[]) p(pattern, template, us, sample)
ON CONFLICT (pattern) DO NOTHING;

-- name: settle
-- The last statement of every batch: the ledger, the rollups, the checkpoint, and what the writer has to know, seen
-- after the rows went in. `had_before`: a first delivery reaches into an earlier one, so that the group
-- began anew; runs of first deliveries never overlap, so the nearest one below is the one to ask. The
-- bound: what lies below it is merged. And the checkpoint as it was before this batch.
WITH numbers AS (
    INSERT INTO logs_ledger (stream, producer, kind, seqs, born)
    SELECT %(ledger)s::text, producer, kind, seqs::int8multirange,
           timestamptz 'epoch' + born_ms * interval '1 millisecond'
    FROM unnest(%(producers)s::bigint[], %(kinds)s::text[], %(seqs)s::text[], %(born_ms)s::bigint[])
         l(producer, kind, seqs, born_ms)
), minutes AS (
    INSERT INTO logs_rollup (minute, level, component, n, bytes)
    SELECT timestamptz 'epoch' + minute * interval '1 minute', level::log_level, component, n, bytes
    FROM unnest(%(minutes)s::bigint[], %(levels)s::text[], %(components)s::text[],
                %(records)s::bigint[], %(bytes)s::bigint[]) m(minute, level, component, n, bytes)
), hours AS (
    INSERT INTO logs_pattern_rollup (hour, pattern, n)
    SELECT timestamptz 'epoch' + hour * interval '1 hour', pattern, n
    FROM unnest(%(hours)s::bigint[], %(patterns)s::bigint[], %(pattern_records)s::bigint[])
         h(hour, pattern, n)
), stream AS MATERIALIZED (
    SELECT CASE WHEN %(stream)s::text IS NOT NULL THEN
        dewey_batch_epoch(%(stream)s::text, %(added)s::bigint, %(last_ms)s::numeric,
                          %(last_seq)s::numeric, %(first_ms)s::numeric, %(first_seq)s::numeric,
                          %(present)s::bigint, %(floor_ms)s::numeric, %(floor_seq)s::numeric)
    END AS epoch
), entries AS (
    INSERT INTO logs_ledger_entries (stream, epoch, delivery, first_ms, first_seq, last_ms, last_seq,
                                     n, added)
    SELECT %(stream)s::text, stream.epoch, r.delivery, r.first_ms, r.first_seq, r.last_ms, r.last_seq,
           r.n, %(added)s::bigint
    FROM stream, unnest(%(deliveries)s::text[], %(firsts_ms)s::numeric[], %(firsts_seq)s::numeric[],
                        %(lasts_ms)s::numeric[], %(lasts_seq)s::numeric[], %(counts)s::int[])
         r(delivery, first_ms, first_seq, last_ms, last_seq, n)
)
SELECT (extract(epoch FROM now()) * 1000000)::bigint AS now_us,
       EXISTS (SELECT FROM logs_moved) AS moved_exist,
       EXISTS (
           SELECT FROM unnest(%(deliveries)s::text[], %(firsts_ms)s::numeric[],
                              %(firsts_seq)s::numeric[], %(lasts_ms)s::numeric[],
                              %(lasts_seq)s::numeric[])
                       r(delivery, first_ms, first_seq, last_ms, last_seq)
           CROSS JOIN LATERAL (
               SELECT n.last_ms, n.last_seq FROM logs_ledger_entries n
               WHERE n.stream = %(stream)s::text AND n.epoch = stream.epoch AND n.delivery = 'new'
                 AND (n.first_ms, n.first_seq) <= (r.last_ms, r.last_seq)
               ORDER BY n.first_ms DESC, n.first_seq DESC LIMIT 1) n
           WHERE r.delivery = 'new' AND (n.last_ms, n.last_seq) >= (r.first_ms, r.first_seq)
       ) AS had_before,
       p.bound_ms, p.bound_seq, c.added, c.last_ms, c.last_seq
FROM stream
LEFT JOIN logs_ledger_past p ON p.stream = %(stream)s::text AND p.epoch = stream.epoch
LEFT JOIN (SELECT epoch, entries_added AS added, last_ms, last_seq
           FROM logs_streams WHERE stream = %(stream)s::text
           UNION ALL
           SELECT epoch, counted, last_ms, last_seq
           FROM logs_epochs WHERE stream = %(stream)s::text) c ON c.epoch = stream.epoch;

-- name: set_back
SELECT dewey_set_back(%(stream)s, %(at_ms)s::numeric, %(at_seq)s::numeric, %(known)s,
                      %(low_ms)s::numeric, %(low_seq)s::numeric, %(next_ms)s::numeric,
                      %(next_seq)s::numeric, %(added)s, %(now_added)s, %(now_ms)s::numeric,
                      %(now_seq)s::numeric);

-- name: never_told
-- Of these records those that have no dead letter, and whose number is not in the ledger.
SELECT r.id
FROM unnest(%(ids)s::uuid[], %(producers)s::bigint[], %(sequences)s::bigint[])
     r(id, producer, sequence)
LEFT JOIN (SELECT producer, range_agg(seqs) AS seqs FROM logs_ledger
           WHERE stream IN (%(stream)s, '') AND producer = ANY (%(producers)s::bigint[])
           GROUP BY producer) l USING (producer)
WHERE (l.seqs @> r.sequence) IS NOT TRUE
  AND NOT EXISTS (SELECT FROM logs_rejected d WHERE d.record_id = r.id);

-- name: make_partitions
SELECT us, dewey_ensure_partition(timestamptz 'epoch' + us * interval '1 microsecond')
FROM unnest(%(times_us)s::bigint[]) t(us);

-- name: clock
-- The database's time and the accepted window, in microseconds.
SELECT (extract(epoch FROM now()) * 1000000)::bigint, back_seconds * 1000000, ahead_seconds * 1000000
FROM dewey_window();

-- name: list_partitions
-- What `dewey partitions` shows; rows are the planner's estimate, -1 before the first ANALYZE.
SELECT s.name, min(s.low) AS low, max(s.high), c.reltuples::bigint, pg_total_relation_size(c.oid),
       pg_indexes_size(c.oid), bool_and(s.indexed)
FROM dewey_stretches() s JOIN pg_class c ON c.oid = s.part
GROUP BY s.name, c.oid, c.reltuples
ORDER BY low;

-- name: diagnosis
SELECT split_part(current_setting('server_version'), ' ', 1),
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
       pg_database_size(current_database()),
       (SELECT jsonb_object_agg(name, setting) FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::int;

-- name: diagnosis_partitions
-- Where the last one ends, which are over and not indexed, which indexes of theirs are not valid.
SELECT count(*), dewey_text(max(p.high)), extract(epoch FROM max(p.high) - now()),
       array(SELECT DISTINCT s.name FROM dewey_stretches() s
             WHERE NOT s.indexed AND s.high < now() - interval '1 hour'
               AND pg_relation_size(s.part) > 0 ORDER BY 1),
       array(SELECT x.indexrelid::regclass::text FROM pg_index x
             JOIN dewey_partitions() q ON q.part = x.indrelid WHERE NOT x.indisvalid ORDER BY 1)
FROM dewey_partitions() p;

-- name: diagnosis_login
SELECT current_user::text,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
       pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'logs'::regclass), 'USAGE'),
       current_setting('statement_timeout');

-- name: window
SELECT back_seconds, ahead_seconds FROM dewey_window();

-- name: totals
-- A day counts as analysed or, before that, as the statistics of its inserts say.
SELECT days.*,
       (SELECT count(*) FROM logs_rejected WHERE state = 'open'),
       (SELECT dewey_text(created_at) FROM logs ORDER BY created_at LIMIT 1),
       (SELECT dewey_text(created_at) FROM logs ORDER BY created_at DESC LIMIT 1)
FROM (
    SELECT coalesce(sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)), 0)::bigint
             AS estimate,
           coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes,
           count(*) AS partitions
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'logs'::regclass) days;

-- name: measures
-- For metrics: a day counts as analysed or, before that, as the statistics of its inserts say. The horizon
-- is the end of the partitions that follow one another without a gap from now on.
WITH parts AS MATERIALIZED (
    SELECT * FROM dewey_partitions() WHERE NOT pending
), sizes AS (
    SELECT coalesce(sum(greatest(c.reltuples, s.n_live_tup, 0)), 0)::bigint AS records,
           coalesce(sum(pg_table_size(p.part)), 0)::bigint AS table_bytes,
           coalesce(sum(pg_indexes_size(p.part)), 0)::bigint AS index_bytes,
           count(*) AS partitions
    FROM parts p
    JOIN pg_class c ON c.oid = p.part
    LEFT JOIN pg_stat_user_tables s ON s.relid = p.part
), horizon AS (
    SELECT CASE WHEN EXISTS (SELECT FROM parts WHERE low <= now() AND now() < high)
                THEN (SELECT min(p.high) FROM parts p
                      WHERE p.high > now()
                        AND NOT EXISTS (SELECT FROM parts n WHERE n.low <= p.high AND p.high < n.high))
                ELSE now() END AS at
), letters AS (
    SELECT count(*) AS n, min(at) AS oldest
    FROM (SELECT at FROM logs_rejected WHERE state = 'open' ORDER BY at LIMIT %(letters)s) open
)
SELECT sizes.*, extract(epoch FROM horizon.at)::float8,
       (SELECT extract(epoch FROM created_at)::float8 FROM logs ORDER BY created_at LIMIT 1),
       (SELECT extract(epoch FROM created_at)::float8 FROM logs ORDER BY created_at DESC LIMIT 1),
       letters.n, extract(epoch FROM letters.oldest)::float8
FROM sizes, horizon, letters;

-- name: search_partitions
-- For what no index helps with.
SELECT low, high, false FROM dewey_partitions() WHERE NOT pending AND pg_relation_size(part) > 0 ORDER BY low;

-- name: search_stretches
-- Oldest first.
SELECT low, high, indexed FROM dewey_stretches() WHERE pg_relation_size(part) > 0 ORDER BY low;

-- name: trigram_stretches
-- Oldest first; indexed are those with an index for substrings.
SELECT low, high, EXISTS (SELECT FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
                          WHERE x.indrelid = part AND x.indisvalid AND c.relname = (name || '_trgm')::name)
FROM dewey_partitions() WHERE NOT pending AND pg_relation_size(part) > 0 ORDER BY low;

-- name: set_locally
SELECT set_config(name, value, true) FROM unnest(%(names)s::text[], %(values)s::text[]) s(name, value);

-- name: search_hits
-- Bounds are those of one stretch or less, so that no other is looked at and an index of a part fits. How many match, up to a limit, and the keys of the next ones.
WITH hits AS MATERIALIZED (
    SELECT created_at, id FROM logs
    WHERE {matching} AND {following} AND created_at >= %(low)s AND created_at < %(high)s
    LIMIT %(hits)s
)
SELECT counted.n, k.created_at, k.id
FROM (SELECT count(*)::int AS n FROM hits) counted
LEFT JOIN LATERAL (SELECT * FROM hits ORDER BY created_at {order}, id {order} LIMIT %(rows)s) k ON true
ORDER BY k.created_at {order}, k.id {order};

-- name: search_keys
SELECT created_at, id FROM logs
WHERE {matching} AND {following} AND created_at >= %(low)s AND created_at < %(high)s
ORDER BY created_at {order}, id {order}
LIMIT %(rows)s;

-- name: shown
-- Records as they are shown, with their bytes: message and data only of as many as come to no more than
-- so many bytes together, and of the first. A thousand records can have 300 MB.
SELECT id::text, dewey_text(created_at), component, level::text,
       CASE WHEN so_far <= greatest(%(bytes)s, size) THEN message END, trace_id,
       CASE WHEN so_far <= greatest(%(bytes)s, size) THEN data END, size
FROM (SELECT *, sum(size) OVER (ORDER BY created_at {order}, id {order}
                                ROWS UNBOUNDED PRECEDING) AS so_far
      FROM (SELECT *, octet_length(message) + coalesce(octet_length(data::text), 0) AS size
            FROM ({inside}) records) sized) counted
ORDER BY counted.created_at {order}, counted.id {order};

-- name: snapshot_now
SELECT pg_current_snapshot()::text, now();

-- name: arrivals
-- inside: shown
-- What was committed after one snapshot and, where there is a second one, before that. A row knows the
-- lower half of its transaction's number; the upper half is that of now, unless it would lie ahead.
SELECT id, created_at, component, level, message, trace_id, data
FROM (SELECT logs.*, xmin::text::bigint AS low,
             pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS ahead
      FROM logs WHERE created_at >= %(since)s AND {matching}) recent
CROSS JOIN LATERAL (
    SELECT (ahead / 4294967296 * 4294967296 + low
            - CASE WHEN low >= ahead %% 4294967296 THEN 4294967296 ELSE 0 END)::text::xid8 AS made
) transactions
WHERE NOT pg_visible_in_snapshot(made, %(known)s::pg_snapshot)
  AND (%(end)s::pg_snapshot IS NULL OR pg_visible_in_snapshot(made, %(end)s::pg_snapshot))
  AND (%(at)s::timestamptz IS NULL OR (created_at, id) > (%(at)s::timestamptz, %(key)s::uuid))
ORDER BY recent.created_at {order}, recent.id {order}
LIMIT %(rows)s;

-- name: search_rows
-- inside: shown
SELECT id, created_at, component, level, message, trace_id, data
FROM logs JOIN unnest(%(ats)s::timestamptz[], %(ids)s::uuid[]) k(created_at, id) USING (created_at, id)
WHERE created_at >= %(low)s AND created_at < %(high)s
ORDER BY logs.created_at {order}, logs.id {order};

-- name: try_regex
SELECT '' ~ %(regex)s;

-- name: has_words
-- Whether a search is for nothing at all, and whether an index can narrow it down: not when every record
-- without some word matches.
SELECT numnode(q) = 0, querytree(q) NOT IN ('', 'T') FROM websearch_to_tsquery('simple', %(search)s) q;

-- name: search_reach
-- Where the next rows lie.
SELECT min(created_at), max(created_at)
FROM (SELECT created_at FROM logs WHERE created_at >= %(low)s AND created_at < %(high)s
      ORDER BY created_at {order}, id {order} LIMIT %(rows)s) next;

-- name: search_page
-- inside: shown
SELECT id, created_at, component, level, message, trace_id, data
FROM logs
WHERE {matching} AND {following} AND created_at >= %(low)s AND created_at < %(high)s
ORDER BY logs.created_at {order}, logs.id {order}
LIMIT %(rows)s;

-- name: page
-- inside: shown
SELECT id, created_at, component, level, message, trace_id, data
FROM logs
WHERE {matching} AND {following}
ORDER BY logs.created_at {order}, logs.id {order}
LIMIT %(rows)s;

-- name: page_of_few
-- inside: shown
-- All that match, and then sorted: with the order in the same SELECT, PostgreSQL may walk instead.
WITH few AS MATERIALIZED (
    SELECT id, created_at, component, level, message, trace_id, data FROM logs
    WHERE {matching} AND {following}
)
SELECT * FROM few
ORDER BY few.created_at {order}, few.id {order}
LIMIT %(rows)s;

-- name: page_of_minutes
-- inside: shown
-- All that match within some minutes, and then sorted. With its LIMIT each minute is a look of its own.
WITH few AS MATERIALIZED (
    SELECT r.*
    FROM unnest(%(minutes)s::timestamptz[]) m(minute)
    CROSS JOIN LATERAL (
        SELECT id, created_at, component, level, message, trace_id, data FROM logs
        WHERE created_at >= m.minute AND created_at < m.minute + interval '1 minute'
          AND {matching} AND {following}
        ORDER BY created_at {order}, id {order}
        LIMIT %(rows)s) r
)
SELECT * FROM few
ORDER BY few.created_at {order}, few.id {order}
LIMIT %(rows)s;

-- name: page_by_name
-- inside: shown
-- The next records of each component, or of a trace, walked by the index that begins with it, and then sorted.
-- A name stands there as two bounds: PostgreSQL, were it to know that it is one, would walk through what others
-- wrote.
SELECT next.*
FROM unnest(%(names)s::text[]) c(name)
CROSS JOIN LATERAL (
    SELECT id, created_at, component, level, message, trace_id, data FROM logs
    WHERE {column} >= c.name AND {column} <= c.name AND {matching} AND {following}
    ORDER BY logs.{column} {order}, logs.created_at {order}, logs.id {order}
    LIMIT %(rows)s) next
ORDER BY next.created_at {order}, next.id {order}
LIMIT %(rows)s;

-- name: hours_matching
-- What the counts know by the hour, in the order of a page: how many match, and how many of these lie
-- for certain within the time that was asked for.
SELECT hour, n, sure, names
FROM (SELECT date_bin('1 hour', created_at, %(origin)s) AS hour, sum(n::float8)::bigint AS n,
             coalesce(sum(n::float8) FILTER (
                 WHERE created_at >= coalesce(%(sure_low)s::timestamptz, '-infinity')
                   AND created_at < coalesce(%(sure_high)s::timestamptz, 'infinity')), 0)::bigint AS sure,
             {names} AS names
      FROM dewey_counts(%(low)s, %(high)s) logs
      WHERE {matching}
      GROUP BY 1) h
WHERE n > 0
ORDER BY hour {order};

-- name: minutes_matching
-- The same by the minute, within some hours.
SELECT minute, n, CASE WHEN minute >= coalesce(%(sure_low)s::timestamptz, '-infinity')
                        AND minute < coalesce(%(sure_high)s::timestamptz, 'infinity')
                       THEN n ELSE 0 END
FROM (SELECT minute, sum(n)::bigint AS n
      FROM unnest(%(hours)s::timestamptz[]) h(hour)
      JOIN logs_rollup logs ON minute >= h.hour AND minute < h.hour + interval '1 hour'
      WHERE minute >= coalesce(%(low)s::timestamptz, '-infinity')
        AND minute < coalesce(%(high)s::timestamptz, 'infinity') AND {matching}
      GROUP BY 1) m
WHERE n > 0
ORDER BY minute {order};

-- name: count_matching
SELECT count(*) FROM (SELECT FROM logs WHERE {matching} LIMIT %(rows)s) found;

-- name: account_numbers
-- Beside the numbers: the highest one of long ago, and the highest one that was committed, or sent,
-- before the stream as it is now: made again, or set back.
SELECT producer, kind, range_agg(seqs)::text,
       max(upper(seqs)) FILTER (WHERE at <= now() - %(settling)s * interval '1 second') - 1,
       max(upper(seqs)) FILTER (WHERE least(at, born) <= began) - 1
FROM logs_ledger,
     (SELECT max(at) AS began
      FROM (SELECT began_at AS at FROM logs_streams WHERE stream = %(stream)s AND epoch > 1
            UNION ALL SELECT at FROM logs_setbacks WHERE stream = %(stream)s) a) s
WHERE stream IN (%(stream)s, '')
GROUP BY producer, kind;

-- name: account_epochs
-- The current epoch counts only what lies before the region: `account_runs` has the rest, and from the
-- bound on everything is told entry by entry.
WITH epochs AS (
    SELECT epoch, true AS current, entries_added AS added, last_ms, last_seq,
           entries_added AS counted, began_at
    FROM logs_streams WHERE stream = %(stream)s
    UNION ALL
    SELECT epoch, false, entries_added, last_ms, last_seq, coalesce(counted, entries_added), began_at
    FROM logs_epochs WHERE stream = %(stream)s
)
SELECT e.epoch, e.current, e.added, e.last_ms, e.last_seq, s.settled, s.vanished,
       coalesce(p.bound_ms, 0), coalesce(p.bound_seq, 0), e.counted,
       dewey_beyond(%(stream)s, e.epoch, e.last_ms, e.last_seq),
       (extract(epoch FROM e.began_at) * 1000)::bigint,
       (SELECT coalesce(sum(known - added), 0)::bigint FROM logs_setbacks b
        WHERE b.stream = %(stream)s AND b.epoch = e.epoch)
FROM epochs e
CROSS JOIN LATERAL dewey_settled(
    %(stream)s, e.epoch, CASE WHEN e.current THEN %(ms)s::numeric END,
    CASE WHEN e.current THEN %(seq)s::numeric END) s
LEFT JOIN logs_ledger_past p ON p.stream = %(stream)s AND p.epoch = e.epoch
ORDER BY e.epoch;

-- name: account_runs
-- An earlier epoch can reach into the region: for a second after a stream was made again, batches
-- are still counted to the old one.
SELECT epoch = (SELECT epoch FROM logs_streams WHERE stream = %(stream)s),
       delivery, first_ms, first_seq, last_ms, last_seq, n
FROM logs_ledger_entries
WHERE stream = %(stream)s AND (last_ms, last_seq) >= (%(ms)s::numeric, %(seq)s::numeric)
  AND delivery <> 'late'
ORDER BY first_ms, first_seq;

-- name: take_sealing
SELECT pg_try_advisory_lock(hashtext('dewey'), hashtext('sealing'));

-- name: old_snapshots
-- The transactions that an index built now would have to wait for, longer than it is willing to; and those
-- whose age this login may not see. Autovacuum, which belongs to nobody, gives way.
SELECT l.virtualtransaction
FROM pg_stat_activity a
JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted
WHERE a.backend_xmin IS NOT NULL AND a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND a.usesysid IS NOT NULL AND (a.xact_start < now() - interval '1 minute') IS NOT FALSE;

-- name: parent_is_analysed
SELECT last_analyze > now() - interval '20 hours' FROM pg_stat_user_tables WHERE relid = 'logs'::regclass;

-- name: take_merging
SELECT pg_try_advisory_lock(hashtext('dewey'), hashtext('merge'));

-- name: wait_for_merging
SELECT pg_advisory_lock(hashtext('dewey'), hashtext('merge'));

-- name: leave_merging
SELECT pg_advisory_unlock(hashtext('dewey'), hashtext('merge'));

-- name: merge_ledger
SELECT dewey_merge_numbers()
     + (SELECT coalesce(sum(dewey_merge_entries(stream)), 0)::bigint FROM logs_streams);

-- name: merge_rollups
SELECT dewey_merge_rollups();

-- name: forget_rollups
-- Those of times that no partition holds any more. One that was detached and not dropped, because a run was cut
-- short, may be taken back with its records while retention spares it: the counts of its day stay for them.
WITH parts AS MATERIALIZED (
    SELECT low, high FROM dewey_partitions()
    UNION ALL
    SELECT day, day + interval '24 hours'
    FROM pg_class c
    CROSS JOIN LATERAL (SELECT to_date(substr(c.relname, 6, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' AS day) d
    WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'logs'::regclass)
      AND c.relkind = 'r' AND c.relname ~ '^logs_[0-9]{8}(_[0-9]{2})?$'
      AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
      AND day + interval '24 hours' > now() - make_interval(days => %(days)s)
), minutes AS (
    DELETE FROM logs_rollup
    WHERE NOT EXISTS (SELECT FROM parts WHERE low <= minute AND minute < high)
), summed AS (
    DELETE FROM logs_rollup_hour
    WHERE NOT EXISTS (SELECT FROM parts WHERE low <= hour AND hour < high)
), hours AS (
    DELETE FROM logs_pattern_rollup
    WHERE NOT EXISTS (SELECT FROM parts WHERE low <= hour AND hour < high)
)
SELECT 1;

-- name: forget_patterns
-- Those that no record has any more. A writer tells a pattern again every day that it meets it.
DELETE FROM logs_pattern p
WHERE first_seen < now() - make_interval(days => %(days)s + 1)
  AND NOT EXISTS (SELECT FROM logs_pattern_rollup r WHERE r.pattern = p.pattern);

-- name: moved_blocks
SELECT pg_relation_size('logs_moved') / current_setting('block_size')::bigint;

-- name: forget_moved
-- Of one stretch of the table those whose day is gone. A copy of the record that is sent again has a
-- later entry, maybe of a day that is kept: so long as they are no further apart than the window is wide,
-- its id has to be known. The same entry again has expired.
WITH parts AS MATERIALIZED (
    SELECT low, high FROM dewey_partitions()
)
DELETE FROM logs_moved
WHERE ctid >= %(first)s::tid AND ctid < %(end)s::tid
  AND created_at < (SELECT now() - make_interval(days => %(days)s + 1,
                                                 secs => w.back_seconds + w.ahead_seconds)
                    FROM dewey_window() w)
  AND NOT EXISTS (SELECT FROM parts WHERE low <= created_at AND created_at < high);

-- name: recount
-- What the rollups say of a stretch of time and what is really there, where they differ.
WITH told AS (
    SELECT minute, level, component, sum(n) AS n, sum(bytes) AS bytes FROM logs_rollup
    WHERE minute >= %(since)s AND minute < %(until)s
    GROUP BY minute, level, component
    HAVING sum(n) <> 0 OR sum(bytes) <> 0
), found AS (
    SELECT date_trunc('minute', created_at, 'UTC') AS minute, level, component, count(*) AS n,
           sum(octet_length(message)) AS bytes
    FROM logs WHERE created_at >= %(since)s AND created_at < %(until)s
    GROUP BY 1, 2, 3
), merged AS (
    SELECT date_trunc('hour', minute, 'UTC') AS hour, level, component, sum(n) AS n FROM logs_rollup
    WHERE merged AND minute >= %(since)s AND minute < %(until)s
    GROUP BY 1, 2, 3
), hours AS (
    SELECT hour, level, component, n FROM logs_rollup_hour
    WHERE hour >= %(since)s AND hour < %(until)s AND n <> 0
), patterns_told AS (
    SELECT hour, pattern, sum(n) AS n FROM logs_pattern_rollup
    WHERE hour >= %(since)s AND hour < %(until)s
    GROUP BY hour, pattern HAVING sum(n) <> 0
), patterns_found AS (
    SELECT date_trunc('hour', created_at, 'UTC') AS hour, pattern, count(*) AS n
    FROM logs
    WHERE created_at >= %(since)s AND created_at < %(until)s AND pattern IS NOT NULL
    GROUP BY 1, 2
)
SELECT dewey_text(minute), level || ' ' || component, coalesce(told.n, 0)::bigint,
       coalesce(found.n, 0)::bigint
FROM told FULL JOIN found USING (minute, level, component)
WHERE (told.n, told.bytes) IS DISTINCT FROM (found.n, found.bytes)
UNION ALL
SELECT dewey_text(hour), 'hour ' || level || ' ' || component, coalesce(h.n, 0)::bigint,
       coalesce(m.n, 0)::bigint
FROM hours h FULL JOIN merged m USING (hour, level, component)
WHERE h.n IS DISTINCT FROM m.n
UNION ALL
SELECT dewey_text(hour), 'pattern ' || pattern, coalesce(t.n, 0)::bigint, coalesce(f.n, 0)::bigint
FROM patterns_told t FULL JOIN patterns_found f USING (hour, pattern)
WHERE t.n IS DISTINCT FROM f.n
ORDER BY 1, 2
LIMIT %(rows)s;

-- name: balanced_producers
-- Of these producers those whose numbers are all placed, up to what they announced and with no gap,
-- and who were silent since.
SELECT producer
FROM unnest(%(producers)s::bigint[], %(sent)s::bigint[]) p(producer, sent)
JOIN logs_ledger USING (producer)
WHERE stream IN (%(stream)s, '')
GROUP BY producer, sent
HAVING range_agg(seqs) = int8multirange(int8range(1, max(upper(seqs))))
   AND max(upper(seqs)) > sent
   AND max(at) < now() - %(silent)s * interval '1 second';

-- name: active_producers
SELECT DISTINCT producer FROM logs_ledger WHERE at >= %(since)s;

-- name: account_neighbours
-- When the numbers just below and just above a range were committed first. Of merged rows only the
-- span is known: its beginning for the number below, its end for the one above.
SELECT r.producer, r.low, r.high,
       dewey_text(min(coalesce(l.since, l.at)) FILTER (WHERE l.seqs @> r.low - 1)),
       dewey_text(min(l.at) FILTER (WHERE l.seqs @> r.high + 1))
FROM unnest(%(producers)s::bigint[], %(lows)s::bigint[], %(highs)s::bigint[]) r(producer, low, high)
JOIN logs_ledger l ON l.producer = r.producer AND l.kind <> 'duplicate'
                  AND (l.seqs @> r.low - 1 OR l.seqs @> r.high + 1)
GROUP BY r.producer, r.low, r.high;

-- name: contents_rows
-- The numbers inside the record ids: 16 hexadecimal digits of time, version and 12 bits of sequence,
-- then 64 bits: variant, 24 bits of sequence, 38 of producer.
SELECT CASE WHEN ours THEN low & 274877906943 END AS producer, count(*),
       range_agg(int8range(sequence, sequence, '[]')) FILTER (WHERE ours)::text
FROM logs,
     LATERAL (SELECT encode(uuid_send(id), 'hex') AS hex) h,
     LATERAL (SELECT ('x' || substr(hex, 14, 3))::bit(12)::int::bigint AS high,
                     ('x' || substr(hex, 17, 16))::bit(64)::bigint AS low) bits,
     LATERAL (SELECT (high << 24) | ((low >> 38) & 16777215) AS sequence) numbers,
     LATERAL (SELECT substr(hex, 13, 1) = '8' AND low < -4611686018427387904 AND sequence > 0 AS ours
             ) origin
GROUP BY 1;

-- name: contents_stored
SELECT producer, range_agg(seqs)::text FROM logs_ledger WHERE kind = 'stored' GROUP BY producer;

-- name: contents_complete
-- Whether every day that can have held a record of the ledger is still there, and nothing cleared.
SELECT NOT EXISTS (SELECT FROM logs_cleared)
   AND coalesce(
       (SELECT min(to_date(substr(c.relname, 6, 8), 'YYYYMMDD'))
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'logs'::regclass AND NOT i.inhdetachpending)
       <= (SELECT ((min(coalesce(since, at)) - w.back_seconds * interval '1 second') AT TIME ZONE 'UTC')::date
           FROM logs_ledger, dewey_window() w GROUP BY w.back_seconds), true);

-- name: clears_since
SELECT filter, at FROM logs_cleared
WHERE at > timestamptz 'epoch' + %(us)s * interval '1 microsecond'
ORDER BY at;

-- name: begin_clear
-- Whatever is removed was written by a transaction that began before this snapshot, so that its entry
-- is older than the clear's time: a replay knows it by that.
INSERT INTO logs_cleared (filter, at, asked_by, finished, told)
VALUES (%(filter)s, clock_timestamp(), %(asked_by)s, false, false)
RETURNING id, pg_snapshot_xmax(pg_current_snapshot())::text::bigint;

-- name: partitions_now
SELECT name, low, high FROM dewey_partitions() WHERE NOT pending ORDER BY low;

-- name: stretches_now
SELECT name, low, high FROM dewey_stretches() ORDER BY low;

-- name: empty_partition
SELECT dewey_empty_partition(%(part)s, %(began)s, %(clear)s);

-- name: clear_rows
WITH doomed AS MATERIALIZED (
    SELECT ctid AS place FROM {part} AS logs
    WHERE {matching} AND {between} AND dewey_written_before(xmin, %(began)s)
    LIMIT %(rows)s
), gone AS (
    DELETE FROM {part} WHERE ctid = ANY (ARRAY(SELECT place FROM doomed))
    RETURNING created_at, level, component, octet_length(message) AS bytes, pattern
), minutes AS (
    INSERT INTO logs_rollup (minute, level, component, n, bytes)
    SELECT date_trunc('minute', created_at, 'UTC'), level, component, -count(*), -sum(bytes)
    FROM gone
    GROUP BY 1, 2, 3
), hours AS (
    INSERT INTO logs_pattern_rollup (hour, pattern, n)
    SELECT date_trunc('hour', created_at, 'UTC'), pattern, -count(*)
    FROM gone WHERE pattern IS NOT NULL
    GROUP BY 1, 2
), noted AS (
    UPDATE logs_cleared SET removed = removed + (SELECT count(*) FROM gone)
    WHERE id = %(clear)s AND EXISTS (SELECT FROM gone)
)
SELECT count(*) FROM gone;

-- name: window_end
SELECT created_at, id
FROM (SELECT created_at, id, row_number() OVER (ORDER BY created_at, id) AS n FROM {part}
      WHERE {between}
      ORDER BY created_at, id
      LIMIT %(rows)s + 1) stretch
WHERE n > %(rows)s;

-- name: count_rows
SELECT component, level::text, count(*), min(created_at), max(created_at) FROM {part} AS logs
WHERE {matching} AND {between}
GROUP BY component, level;

-- name: count_partition
-- A whole partition by its rollups; the times are those of its first and its last record.
SELECT component, level::text, sum(n)::bigint,
       (SELECT created_at FROM logs WHERE created_at >= %(low)s AND created_at < %(high)s
        ORDER BY created_at LIMIT 1),
       (SELECT created_at FROM logs WHERE created_at >= %(low)s AND created_at < %(high)s
        ORDER BY created_at DESC LIMIT 1)
FROM logs_rollup
WHERE minute >= %(low)s AND minute < %(high)s
GROUP BY component, level
HAVING sum(n) <> 0;

-- name: clear_finished
UPDATE logs_cleared SET finished = true WHERE id = %(clear)s;

-- name: clears_untold
SELECT id, at, filter, asked_by, removed, emptied, finished FROM logs_cleared
WHERE NOT told AND (finished OR removed > 0)
ORDER BY at;

-- name: clear_told
UPDATE logs_cleared SET told = true WHERE id = %(clear)s;

-- name: matching_rows
-- Rows that are not stored yet, under the names that a filter's clauses use.
SELECT n
FROM (
    SELECT n, timestamptz 'epoch' + created_us * interval '1 microsecond' AS created_at, component,
           level::log_level AS level, trace_id, message, data::jsonb AS data
    FROM unnest(%(row_created_us)s::bigint[], %(row_components)s::text[], %(row_levels)s::text[],
                %(row_traces)s::text[], %(row_messages)s::text[], %(row_data)s::text[])
         WITH ORDINALITY r(created_us, component, level, trace_id, message, data, n)
) logs
WHERE {matching};

-- name: dead_letters
SELECT record_id::text, stream, entry, reason, sqlstate, field_names,
       CASE WHEN %(payload)s THEN field_values
            ELSE array_fill(''::bytea, ARRAY[cardinality(field_names)]) END,
       producer, sequence, deliveries, state, dewey_text(at), dewey_text(changed_at)
FROM logs_rejected
WHERE (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(ids)s::text[] IS NULL OR record_id::text ^@ ANY (%(ids)s::text[]))
  AND (%(reason)s::text IS NULL OR strpos(lower(reason), lower(%(reason)s::text)) > 0)
  AND (%(after_at)s::timestamptz IS NULL
       OR {following} (%(after_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY {order}
LIMIT %(rows)s;

-- name: dead_letter_reasons
SELECT reason, count(*), dewey_text(min(at)), dewey_text(max(at)),
       (array_agg(record_id::text ORDER BY at DESC))[1]
FROM logs_rejected WHERE state = 'open'
GROUP BY reason
ORDER BY count(*) DESC, reason;

-- name: drop_dead_letters
UPDATE logs_rejected SET state = 'dropped', changed_at = now()
WHERE record_id = ANY (%(ids)s::uuid[]) AND state = 'open';

-- name: dead_letters_retried
UPDATE logs_rejected SET state = 'retried', changed_at = now()
WHERE record_id = ANY (%(ids)s::uuid[]) AND state = 'open';

-- name: dead_letters_failed
UPDATE logs_rejected l SET reason = f.reason, sqlstate = f.sqlstate, changed_at = now()
FROM unnest(%(ids)s::uuid[], %(reasons)s::text[], %(states)s::text[]) f(id, reason, sqlstate)
WHERE l.record_id = f.id AND l.state = 'open';

-- name: statement_timeout_ms
SELECT (extract(epoch FROM current_setting('statement_timeout')::interval) * 1000)::int;

-- name: stretches_between
-- Not those that hold nothing yet: the coming days would count as what was reached.
SELECT low, high FROM dewey_stretches()
WHERE pg_relation_size(part) > 0
  AND (%(since)s::timestamptz IS NULL OR high > %(since)s)
  AND (%(until)s::timestamptz IS NULL OR low < %(until)s)
ORDER BY low DESC;

-- name: record_within
SELECT id::text, dewey_text(created_at), component, level::text, message, trace_id, data
FROM logs
WHERE id = %(key)s AND created_at >= %(low)s AND created_at < %(high)s
ORDER BY logs.created_at
LIMIT 1;

-- name: moved_to
SELECT created_at FROM logs_moved WHERE id = %(key)s;

-- name: record_anywhere
-- The keys alone are read, of each partition in turn: the order makes PostgreSQL walk the index.
SELECT id::text, dewey_text(created_at), component, level::text, message, trace_id, data
FROM logs
WHERE id = %(key)s
ORDER BY logs.created_at DESC, logs.id DESC
LIMIT 1;

-- name: records_before
-- inside: shown
SELECT id, created_at, component, level, message, trace_id, data
FROM logs
WHERE (created_at, id) < (%(at)s, %(key)s) AND created_at <= %(at)s
ORDER BY logs.created_at {order}, logs.id {order}
LIMIT %(rows)s;

-- name: records_after
-- inside: shown
SELECT id, created_at, component, level, message, trace_id, data
FROM logs
WHERE (created_at, id) > (%(at)s, %(key)s) AND created_at >= %(at)s
ORDER BY logs.created_at {order}, logs.id {order}
LIMIT %(rows)s;

-- name: traces_matching
-- The trace of exactly that id, and the first and the last one that it may be the beginning of.
SELECT (SELECT trace_id FROM logs WHERE trace_id >= %(trace)s AND trace_id <= %(trace)s
        ORDER BY logs.trace_id LIMIT 1),
       (SELECT trace_id FROM logs WHERE {matching} ORDER BY logs.trace_id LIMIT 1),
       (SELECT trace_id FROM logs WHERE {matching} ORDER BY logs.trace_id DESC LIMIT 1);

-- name: trace_records
-- With the bytes of each. Here and below a trace stands as two bounds, and first in the order: see page_by_name.
SELECT id::text, dewey_text(created_at), component, level::text, message, trace_id, data,
       octet_length(message) + coalesce(octet_length(data::text), 0)
FROM logs
WHERE trace_id >= %(trace)s AND trace_id <= %(trace)s
ORDER BY logs.trace_id, logs.created_at, logs.id
LIMIT %(rows)s;

-- name: trace_summary
-- Components in the order in which the trace reached them.
WITH found AS MATERIALIZED (
    SELECT created_at, component FROM logs WHERE trace_id >= %(trace)s AND trace_id <= %(trace)s
    ORDER BY logs.trace_id, logs.created_at LIMIT %(rows)s
)
SELECT (SELECT count(*) FROM found),
       (SELECT dewey_text(created_at) FROM logs WHERE trace_id >= %(trace)s AND trace_id <= %(trace)s
        ORDER BY logs.trace_id DESC, logs.created_at DESC LIMIT 1),
       (SELECT array_agg(component ORDER BY first, component)
        FROM (SELECT component, min(created_at) AS first FROM found GROUP BY component) c);

-- name: trace_first_error
-- By way of the trace alone: with its level in the same WHERE, PostgreSQL may walk all errors instead.
-- What is found comes in order and only as far as it is asked for.
WITH found AS MATERIALIZED (
    SELECT created_at, id, level FROM logs WHERE trace_id >= %(trace)s AND trace_id <= %(trace)s
    ORDER BY logs.trace_id, logs.created_at, logs.id
), first AS (
    SELECT created_at, id FROM found WHERE level = 'ERROR' LIMIT 1
)
SELECT r.*
FROM first
CROSS JOIN LATERAL (
    SELECT id::text, dewey_text(created_at), component, level::text, message, trace_id, data
    FROM logs WHERE created_at = first.created_at AND id = first.id LIMIT 1) r;

-- name: rollup_span
SELECT min(minute), max(minute) + interval '1 minute' FROM logs_rollup;

-- name: histogram_hours
-- Sums of float8 are exact up to 2^53 and cost half of those of bigint, which are numeric.
SELECT at, level::text, n
FROM (SELECT date_bin(%(step)s, created_at, %(origin)s) AS at, level, sum(n::float8)::bigint AS n
      FROM dewey_counts(%(low)s, %(high)s) logs
      WHERE {matching}
      GROUP BY 1, 2) h
WHERE n <> 0;

-- name: histogram_minutes
SELECT at, level::text, n
FROM (SELECT date_bin(%(step)s, created_at, %(origin)s) AS at, level, sum(n::float8)::bigint AS n
      FROM (SELECT minute AS created_at, level, component, n FROM logs_rollup) logs
      WHERE {matching}
      GROUP BY 1, 2) h
WHERE n <> 0;

-- name: histogram_counted
SELECT at, level::text, n
FROM (SELECT date_bin(%(step)s, created_at, %(origin)s) AS at, level, count(*) AS n
      FROM logs
      WHERE {matching}
      GROUP BY 1, 2) h;

-- name: summary_rollup
SELECT component, level::text, day, n, bytes, first, last
FROM (SELECT component, level, date_bin('1 day', created_at, %(origin)s) AS day,
             sum(n::float8)::bigint AS n, sum(bytes::float8)::bigint AS bytes,
             min(created_at) AS first, max(created_at) AS last
      FROM dewey_counts(%(low)s, %(high)s) logs
      WHERE {matching}
      GROUP BY 1, 2, 3) d
WHERE n <> 0;

-- name: oldest_matching
SELECT dewey_text(created_at) FROM logs WHERE {matching} ORDER BY logs.created_at LIMIT 1;

-- name: newest_matching
SELECT dewey_text(created_at) FROM logs WHERE {matching} ORDER BY logs.created_at DESC LIMIT 1;

-- name: disk_by_day
SELECT date_bin('1 day', low, %(origin)s), sum(pg_total_relation_size(part))::bigint
FROM dewey_partitions() WHERE NOT pending
GROUP BY 1;

-- name: pattern_hours
SELECT pattern, sum(n)::bigint, min(hour), max(hour)
FROM logs_pattern_rollup
WHERE hour >= %(low)s AND hour < %(high)s
GROUP BY pattern
HAVING sum(n) <> 0;

-- name: patterns_counted
SELECT pattern, count(*), min(created_at), max(created_at)
FROM logs
WHERE {matching} AND pattern IS NOT NULL
GROUP BY pattern;

-- name: pattern_span
SELECT min(hour), max(hour) + interval '1 hour' FROM logs_pattern_rollup;

-- name: pattern_templates
-- With the record that the pattern was first met in, if it is within the time and still there.
SELECT w.pattern, p.template, s.*
FROM unnest(%(patterns)s::bigint[], %(lows)s::timestamptz[], %(highs)s::timestamptz[])
     w(pattern, low, high)
LEFT JOIN logs_pattern p ON p.pattern = w.pattern
LEFT JOIN LATERAL (
    SELECT id::text, dewey_text(created_at), component, level::text, message, trace_id, data,
           octet_length(message) + coalesce(octet_length(data::text), 0)
    FROM logs
    WHERE created_at = p.first_seen AND id = p.sample AND created_at >= w.low AND created_at < w.high
    LIMIT 1) s ON true;

-- name: pattern_samples
-- The first record of each pattern within its stretch of time, newest or oldest; NULLs where there is none.
SELECT w.pattern, s.*
FROM unnest(%(patterns)s::bigint[], %(lows)s::timestamptz[], %(highs)s::timestamptz[])
     w(pattern, low, high)
LEFT JOIN LATERAL (
    SELECT id::text, dewey_text(created_at), component, level::text, message, trace_id, data,
           octet_length(message) + coalesce(octet_length(data::text), 0)
    FROM logs
    WHERE created_at >= w.low AND created_at < w.high AND logs.pattern = w.pattern AND {matching}
    ORDER BY logs.created_at {order}, logs.id {order}
    LIMIT 1) s ON true;

-- name: facets_rollup
SELECT {value}, sum(n)::bigint
FROM dewey_counts(%(low)s, %(high)s) logs
WHERE {matching}
GROUP BY 1
HAVING sum(n) <> 0;

-- name: facets_counted
SELECT value, count(*)
FROM (SELECT {value} AS value FROM logs WHERE {matching}
      ORDER BY logs.created_at DESC LIMIT %(rows)s) newest
GROUP BY 1;

-- name: hold_partitions
-- Until the end of the transaction.
SELECT FROM logs WHERE {matching} LIMIT 0;

-- name: export
SELECT id::text, dewey_text(created_at), component, level::text, message, trace_id, data
FROM logs
WHERE {matching}
ORDER BY logs.created_at {order}, logs.id {order};

-- name: levels
SELECT component, level::text, dewey_text(expires_at),
       floor(extract(epoch FROM expires_at) * 1000)::bigint
FROM logger_config
WHERE expires_at IS NULL OR expires_at > now()
ORDER BY component;

-- name: set_level
INSERT INTO logger_config (component, level, expires_at)
VALUES (%(component)s, %(level)s::log_level,
        now() + %(for_ms)s::bigint * interval '1 millisecond')
ON CONFLICT (component) DO UPDATE
SET level = excluded.level, expires_at = excluded.expires_at, updated_at = now()
RETURNING component, level::text, dewey_text(expires_at),
          floor(extract(epoch FROM expires_at) * 1000)::bigint;

-- name: forget_expired_levels
DELETE FROM logger_config WHERE expires_at <= now();

-- name: clear_levels
DELETE FROM logger_config
WHERE %(component)s::text IS NULL OR component = %(component)s::text
RETURNING component;
