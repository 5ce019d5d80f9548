-- Everything the whole path needs: the log itself by day, dead letters, the ledger, levels.
-- PostgreSQL 15 to 18, no extension. Never edit this file once it has run anywhere: add another.

CREATE TYPE log_level AS ENUM ('TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR');

-- How far a record's own time may lie from the time of its stream entry. Fixed here, because every
-- worker must judge a record alike, today and when it is delivered again: changing it is a migration.
CREATE FUNCTION dewey_window(OUT back_seconds bigint, OUT ahead_seconds bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 604800::bigint, 86400::bigint $$;  -- 7 days back, 1 day ahead

-- Return a time as RFC 3339, UTC, with microseconds: the one form in which Dewey shows times.
CREATE FUNCTION dewey_text(at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- ---------------------------------------------------------------------------------------- records

-- Wide columns first: no padding between them. Texts compare by bytes, so that a prefix can use
-- the index whatever the database's locale.
CREATE TABLE logs (
    created_at timestamptz NOT NULL,
    pattern    bigint,
    id         uuid NOT NULL,
    level      log_level NOT NULL,
    component  text COLLATE "C" NOT NULL,
    trace_id   text COLLATE "C",
    message    text NOT NULL,
    data       jsonb,
    CONSTRAINT logs_created_at_id_key UNIQUE (created_at, id),
    CONSTRAINT logs_component_length CHECK (length(component) BETWEEN 1 AND 128),
    CONSTRAINT logs_trace_id_length CHECK (length(trace_id) <= 128),
    CONSTRAINT logs_data_object CHECK (jsonb_typeof(data) = 'object')
) PARTITION BY RANGE (created_at);  -- no default partition: it would block ATTACH and DETACH CONCURRENTLY

CREATE INDEX logs_trace ON logs (trace_id, created_at) WHERE trace_id IS NOT NULL;
CREATE INDEX logs_component ON logs (component, created_at);
CREATE INDEX logs_warn ON logs (created_at, id) WHERE level >= 'WARN';
CREATE INDEX logs_warn_component ON logs (component, created_at) WHERE level >= 'WARN';
-- A short pending list: the batch that fills it sorts it in, 50 ms instead of 200 (measured).
CREATE INDEX logs_data ON logs USING gin (data jsonb_path_ops) WITH (gin_pending_list_limit = 512);

-- Records whose own time lay outside the window and that are stored under their entry's time. Sent
-- again they have another entry and so another key in `logs`: here they are known by id alone.
CREATE TABLE logs_moved (
    id         uuid PRIMARY KEY,
    created_at timestamptz NOT NULL
);

-- Dead letters. The fields are kept as bytes, in order: whatever was refused can be sent again.
CREATE TABLE logs_rejected (
    record_id    uuid PRIMARY KEY,
    stream       text NOT NULL,
    entry        text NOT NULL,
    reason       text NOT NULL,
    sqlstate     text,
    field_names  bytea[] NOT NULL,
    field_values bytea[] NOT NULL,
    producer     bigint,
    sequence     bigint,
    deliveries   int NOT NULL,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retried', 'dropped')),
    at           timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz
);
CREATE INDEX logs_rejected_open ON logs_rejected (at) WHERE state = 'open';

-- ----------------------------------------------------------------------------------------- ledger

-- What became of which sequence numbers. `stored` includes duplicates: a set union counts them once.
CREATE TABLE logs_ledger (
    producer bigint NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('stored', 'rejected', 'expired', 'dropped', 'cleared')),
    seqs     int8multirange NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

-- Which stream entries a batch settled. Both halves of an entry id are unsigned 64-bit numbers in
-- Redis, hence numeric. `added` is the stream's entries-added when the batch was read.
CREATE TABLE logs_ledger_entries (
    stream    text NOT NULL,
    epoch     int NOT NULL,
    delivery  text NOT NULL CHECK (delivery IN ('new', 'again')),
    first_ms  numeric(20) NOT NULL,
    first_seq numeric(20) NOT NULL,
    last_ms   numeric(20) NOT NULL,
    last_seq  numeric(20) NOT NULL,
    n         int NOT NULL CHECK (n > 0),
    added     bigint,
    at        timestamptz NOT NULL DEFAULT now()
);

-- The highest entries-added seen of the stream as it is now, with the last generated id of the same
-- reading, and the id of the reading that began the epoch.
CREATE TABLE logs_streams (
    stream        text PRIMARY KEY,
    epoch         int NOT NULL DEFAULT 1,
    entries_added bigint NOT NULL DEFAULT 0,
    last_ms       numeric(20) NOT NULL DEFAULT 0,
    last_seq      numeric(20) NOT NULL DEFAULT 0,
    began_ms      numeric(20) NOT NULL DEFAULT 0,
    began_seq     numeric(20) NOT NULL DEFAULT 0,
    began_at      timestamptz NOT NULL DEFAULT now(),
    at            timestamptz NOT NULL DEFAULT now()
);

-- Streams that were deleted and made again: what they had added, so that the audit can name what
-- they still owed.
CREATE TABLE logs_epochs (
    stream        text NOT NULL,
    epoch         int NOT NULL,
    entries_added bigint NOT NULL,
    last_ms       numeric(20) NOT NULL,
    last_seq      numeric(20) NOT NULL,
    began_at      timestamptz NOT NULL,
    ended_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, epoch)
);

-- Return the epoch that a batch belongs to, keep the checkpoint, begin a new epoch when needed.
--
-- Several workers read and commit in different orders, so a lower entries-added alone proves
-- nothing: it may be an older reading of the same stream. Both numbers of a reading only rise
-- within one life of a stream; a recreated stream counts from zero while its ids go on with the
-- clock. So: no more added and a later last id = recreated; fewer and earlier = an older reading.
-- Without a last id (NULL) a lower entries-added counts as recreated: right for one worker only.
-- A worker that found its group gone also says which entry is the stream's first (p_first): when
-- nothing is left of what was there at the last checkpoint, the stream was recreated, even if it
-- has overtaken the old count meanwhile.
--
-- The checkpoint never waits for another worker (SKIP LOCKED): one that is stopped inside its
-- transaction must not stop the rest. What it then misses stands in logs_ledger_entries.added.
CREATE FUNCTION dewey_epoch(p_stream text, p_added bigint, p_last_ms numeric, p_last_seq numeric,
                            p_first_ms numeric DEFAULT NULL, p_first_seq numeric DEFAULT NULL)
RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    s logs_streams;
    h logs_epochs;
BEGIN
    SELECT * INTO s FROM logs_streams WHERE stream = p_stream;
    IF NOT FOUND THEN
        INSERT INTO logs_streams (stream, entries_added, last_ms, last_seq)
        VALUES (p_stream, coalesce(p_added, 0), coalesce(p_last_ms, 0), coalesce(p_last_seq, 0))
        ON CONFLICT DO NOTHING;
        SELECT * INTO s FROM logs_streams WHERE stream = p_stream;
    END IF;
    IF p_added IS NULL THEN
        RETURN s.epoch;
    END IF;

    IF (p_added < s.entries_added OR p_added = s.entries_added AND p_last_ms IS NOT NULL)
       AND (p_last_ms IS NULL OR (p_last_ms, p_last_seq) > (s.last_ms, s.last_seq))
       OR s.entries_added > 0 AND (p_first_ms, p_first_seq) > (s.last_ms, s.last_seq) THEN
        SELECT * INTO s FROM logs_streams WHERE stream = p_stream FOR UPDATE;
        IF (p_added < s.entries_added OR p_added = s.entries_added AND p_last_ms IS NOT NULL)
           AND (p_last_ms IS NULL OR (p_last_ms, p_last_seq) > (s.last_ms, s.last_seq))
           OR s.entries_added > 0 AND (p_first_ms, p_first_seq) > (s.last_ms, s.last_seq) THEN
            INSERT INTO logs_epochs (stream, epoch, entries_added, last_ms, last_seq, began_at)
            SELECT s.stream, s.epoch, greatest(s.entries_added, max(e.added)),
                   s.last_ms, s.last_seq, s.began_at
            FROM logs_ledger_entries e WHERE e.stream = s.stream AND e.epoch = s.epoch;
            UPDATE logs_streams
            SET epoch = s.epoch + 1, entries_added = p_added,
                last_ms = coalesce(p_last_ms, 0), last_seq = coalesce(p_last_seq, 0),
                began_ms = coalesce(p_last_ms, 0), began_seq = coalesce(p_last_seq, 0),
                began_at = now(), at = now()
            WHERE stream = p_stream;
            RETURN s.epoch + 1;
        END IF;
    END IF;

    -- A batch that was read before the stream was made again and is committed after.
    IF s.epoch > 1 AND p_last_ms IS NOT NULL
       AND (p_last_ms, p_last_seq) < (s.began_ms, s.began_seq) THEN
        SELECT * INTO h FROM logs_epochs WHERE stream = p_stream AND epoch = s.epoch - 1;
        IF FOUND AND NOT (p_added < h.entries_added
                          AND (p_last_ms, p_last_seq) > (h.last_ms, h.last_seq)) THEN
            UPDATE logs_epochs SET entries_added = greatest(entries_added, p_added)
            WHERE stream = h.stream AND epoch = h.epoch AND entries_added < p_added;
            RETURN h.epoch;
        END IF;
    END IF;

    UPDATE logs_streams t
    SET entries_added = p_added, at = now(),
        last_ms = coalesce(p_last_ms, t.last_ms), last_seq = coalesce(p_last_seq, t.last_seq)
    FROM (SELECT stream FROM logs_streams
          WHERE stream = p_stream AND epoch = s.epoch AND entries_added < p_added
          FOR UPDATE SKIP LOCKED) free
    WHERE t.stream = free.stream;
    RETURN s.epoch;
END $$;

-- ------------------------------------------------------------------------------------- partitions

CREATE FUNCTION dewey_partition_name(at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN 'logs_' || to_char(at AT TIME ZONE 'UTC', 'YYYYMMDD');

-- Asks the catalogue by name: to_regclass() remembers a "no" from before we waited for a lock.
CREATE FUNCTION dewey_has_partition(at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'logs'::regclass AND NOT i.inhdetachpending
          AND c.relname = dewey_partition_name(at)::name)
$$;

-- Make the day that holds `at` and return its name; NULL when no partition is made for such a time.
--
-- Bounded, because the writer may call it: ten years and the window back (the longest retention that
-- can be set; retention itself is the real bound and is applied before), the window and 30 days
-- ahead (a Redis whose clock ran ahead keeps its last id). LIKE and ATTACH rather than PARTITION OF,
-- which would wait for every open reader; the new table is empty, so ATTACH has nothing to scan.
CREATE FUNCTION dewey_ensure_partition(at timestamptz)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    part    text := dewey_partition_name(at);
    low     timestamptz := date_trunc('day', at, 'UTC');
    w       record;
    leaving oid;
BEGIN
    SELECT * INTO w FROM dewey_window();
    IF at IS NULL OR at < now() - (3650 * 86400 + w.back_seconds) * interval '1 second'
       OR at > now() + (30 * 86400 + w.ahead_seconds) * interval '1 second' THEN
        RETURN NULL;
    END IF;
    IF dewey_has_partition(at) THEN
        RETURN part;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('dewey'), hashtext('partitions'));
    IF dewey_has_partition(at) THEN  -- made by another process while we waited
        RETURN part;
    END IF;
    SELECT i.inhrelid INTO leaving
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relname = part::name
      AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'logs'::regclass);
    IF leaving IS NOT NULL THEN
        RAISE EXCEPTION 'partition % is being detached', part USING ERRCODE = 'object_in_use';
    ELSIF NOT FOUND THEN
        EXECUTE format('CREATE TABLE %I (LIKE logs INCLUDING ALL) WITH '
            '(autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0)', part);
    END IF;
    EXECUTE format('ALTER TABLE logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        part, low, low + interval '24 hours');
    RETURN part;
END $$;

-- Return those of the moved records that are stored already under their own time.
--
-- The same record resent may have been moved in one copy and not in the other. Whoever stores the
-- moved copy first takes the key that the other copy would have, for the length of its transaction:
-- a writer of the other copy then waits here and finds the id in logs_moved afterwards.
CREATE FUNCTION dewey_known_under(p_ids uuid[], p_own timestamptz[])
RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    placed uuid[];
BEGIN
    WITH taken AS (
        INSERT INTO logs (created_at, id, level, component, message)
        SELECT m.own, m.id, 'TRACE', 'dewey', ''
        FROM unnest(p_ids, p_own) m(id, own)
        WHERE dewey_has_partition(m.own)
        ORDER BY m.own, m.id
        ON CONFLICT (created_at, id) DO NOTHING
        RETURNING id)
    SELECT coalesce(array_agg(id), '{}') INTO placed FROM taken;
    DELETE FROM logs l USING unnest(p_ids, p_own) m(id, own)
    WHERE l.created_at = m.own AND l.id = m.id AND m.id = ANY (placed);
    RETURN QUERY
    SELECT m.id FROM unnest(p_ids, p_own) m(id, own)
    WHERE dewey_has_partition(m.own) AND m.id <> ALL (placed);
END $$;

-- ----------------------------------------------------------------------------------------- levels

CREATE TABLE logger_config (
    component  text PRIMARY KEY,  -- or `*`
    level      log_level NOT NULL,
    expires_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);
