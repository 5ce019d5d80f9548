-- The indexes that search needs are what ingest costs, so they need not be there while a partition fills:
-- maintenance builds them when it closes. And a partition may be shorter than a day, so that a busy
-- store has little that no index covers.

-- What was chosen when the store was set up, for every process alike.
CREATE TABLE logs_settings (
    name  text PRIMARY KEY,
    value text NOT NULL
);
INSERT INTO logs_settings VALUES ('search_index', 'sealed'), ('partition_interval', '24 hours');

-- Each partition has its own now, or has none yet.
DROP INDEX logs_data;

-- Return the indexes for search that a partition gets. Of text the first 8 KiB of a message count: a longer
-- one could hold more words than PostgreSQL can index. Short pending lists: the batch that fills one
-- sorts it in.
CREATE FUNCTION dewey_search_indexes(part text, OUT name text, OUT definition text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE AS $$
    VALUES (part || '_data', 'USING gin (data jsonb_path_ops) WITH (gin_pending_list_limit = 512)'),
           (part || '_text', 'USING gin (to_tsvector(''simple'', left(message, 8192)))'
                             ' WITH (gin_pending_list_limit = 1024)')
$$;

-- Return the attached partitions; `pending` ones are being detached.
CREATE FUNCTION dewey_partitions()
RETURNS TABLE (part oid, name text, low timestamptz, high timestamptz, pending boolean)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT c.oid, c.relname::text, b[1]::timestamptz, b[2]::timestamptz, i.inhdetachpending
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                    '\(''(.*)''\) TO \(''(.*)''\)') b
    WHERE i.inhparent = 'logs'::regclass
$$;

-- Return the name of the partition that holds a time, NULL when there is none.
CREATE FUNCTION dewey_partition_of(at timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT name FROM dewey_partitions() p WHERE p.low <= at AND at < p.high AND NOT pending
$$;

CREATE OR REPLACE FUNCTION dewey_has_partition(at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$ SELECT dewey_partition_of(at) IS NOT NULL $$;

-- As before, and as short as was chosen: a whole day for days that are over, of which there will only be
-- what comes late; otherwise the chosen part of the day, or an hour of it where that would overlap
-- another partition.
CREATE OR REPLACE FUNCTION dewey_ensure_partition(at timestamptz)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    part     text := dewey_partition_of(at);
    day      timestamptz := date_trunc('day', at, 'UTC');
    chosen   interval := (SELECT value FROM logs_settings s WHERE s.name = 'partition_interval');
    length   interval;
    w        record;
    leaving  oid;
    indexing record;
BEGIN
    SELECT * INTO w FROM dewey_window();
    IF at IS NULL OR at < now() - (3650 * 86400 + w.back_seconds) * interval '1 second'
       OR at > now() + (30 * 86400 + w.ahead_seconds) * interval '1 second' THEN
        RETURN NULL;
    END IF;
    IF part IS NOT NULL THEN
        RETURN part;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('dewey'), hashtext('partitions'));
    part := dewey_partition_of(at);
    IF part IS NOT NULL THEN  -- made by another process while we waited
        RETURN part;
    END IF;
    SELECT p.name INTO part FROM dewey_partitions() p WHERE p.low <= at AND at < p.high;
    IF FOUND THEN
        RAISE EXCEPTION 'partition % is being detached', part USING ERRCODE = 'object_in_use';
    END IF;

    FOREACH length IN ARRAY ARRAY[
        CASE WHEN day < date_trunc('day', now(), 'UTC') THEN interval '24 hours' ELSE chosen END,
        chosen, interval '1 hour']
    LOOP
        EXIT WHEN NOT EXISTS (
            SELECT FROM dewey_partitions() p
            WHERE p.low < date_bin(length, at, day) + length AND p.high > date_bin(length, at, day));
    END LOOP;
    part := 'logs_' || to_char(date_bin(length, at, day) AT TIME ZONE 'UTC',
                               CASE WHEN length < interval '24 hours' THEN 'YYYYMMDD_HH24'
                                    ELSE 'YYYYMMDD' END);
    SELECT i.inhrelid INTO leaving
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relname = part::name
      AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'logs'::regclass);
    IF leaving IS NOT NULL THEN
        RAISE EXCEPTION 'partition % is being detached', part USING ERRCODE = 'object_in_use';
    ELSIF NOT FOUND THEN
        EXECUTE format('CREATE TABLE %I (LIKE logs INCLUDING ALL) WITH '
            '(autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0)', part);
        IF 'live' = (SELECT value FROM logs_settings s WHERE s.name = 'search_index') THEN
            FOR indexing IN SELECT * FROM dewey_search_indexes(part) LOOP
                EXECUTE format('CREATE INDEX %I ON %I %s', indexing.name, part, indexing.definition);
            END LOOP;
        END IF;
    END IF;
    EXECUTE format('ALTER TABLE logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        part, date_bin(length, at, day), date_bin(length, at, day) + length);
    RETURN part;
END $$;

DROP FUNCTION dewey_partition_name(timestamptz);

-- As before, and it looks the partitions up once instead of once a record.
CREATE OR REPLACE FUNCTION dewey_known_under(p_ids uuid[], p_own timestamptz[])
RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ids    uuid[];
    own    timestamptz[];
    placed uuid[];
BEGIN
    SELECT coalesce(array_agg(m.id), '{}'), coalesce(array_agg(m.own), '{}') INTO ids, own
    FROM unnest(p_ids, p_own) m(id, own)
    JOIN (SELECT low, high FROM dewey_partitions() WHERE NOT pending OFFSET 0) p
      ON p.low <= m.own AND m.own < p.high;
    WITH taken AS (
        INSERT INTO logs (created_at, id, level, component, message)
        SELECT m.own, m.id, 'TRACE', 'dewey', ''
        FROM unnest(ids, own) m(id, own)
        ORDER BY m.own, m.id
        ON CONFLICT (created_at, id) DO NOTHING
        RETURNING id)
    SELECT coalesce(array_agg(id), '{}') INTO placed FROM taken;
    DELETE FROM logs l USING unnest(ids, own) m(id, own)
    WHERE l.created_at = m.own AND l.id = m.id AND m.id = ANY (placed);
    RETURN QUERY SELECT m.id FROM unnest(ids) m(id) WHERE m.id <> ALL (placed);
END $$;
