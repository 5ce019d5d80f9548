-- As before; but what is removed again is the place that was just taken, and no record that stands there
-- with the same id at another time. Else a writer, who may remove nothing, could have any record removed by
-- naming its id twice.
CREATE OR REPLACE FUNCTION dewey_known_under(p_ids uuid[], p_own timestamptz[])
RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ids        uuid[];
    own        timestamptz[];
    placed     uuid[];
    placed_own timestamptz[];
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
        RETURNING id, created_at)
    SELECT array_agg(id), array_agg(created_at) INTO placed, placed_own FROM taken;
    DELETE FROM logs l USING unnest(placed, placed_own) m(id, own)
    WHERE l.created_at = m.own AND l.id = m.id;
    RETURN QUERY
    SELECT m.id
    FROM (SELECT * FROM unnest(ids, own) EXCEPT SELECT * FROM unnest(placed, placed_own)) m(id, own);
END $$;

-- Return what retention has detached and, cut short, not dropped: such a table bears its mark as a comment.
-- What somebody detached to keep it has none.
CREATE FUNCTION dewey_left(mark text) RETURNS TABLE (name text, low timestamptz)
LANGUAGE sql STABLE SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
    SELECT c.relname::text,
           to_timestamp(rpad(substr(c.relname, 6), 11, '_00'), 'YYYYMMDD_HH24')
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'logs'::regclass)
      AND c.relkind = 'r' AND c.relname ~ '^logs_[0-9]{8}(_[0-9]{2})?$' AND i.inhrelid IS NULL
      AND obj_description(c.oid, 'pg_class') = mark
$$;

INSERT INTO dewey_rights (kind, name, writer, reader) VALUES ('FUNCTION', 'dewey_left', NULL, NULL);
