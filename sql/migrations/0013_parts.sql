-- A partition that has outgrown what a query can read in a second need not be over to be indexed: what
-- hardly anything goes into any more gets indexes for search of its own, which speak of its stretch of
-- time alone. What comes in lies beyond it and does not pay for them.

-- Return the indexes for search of parts of partitions; one that is not valid was cut short. What stretch an
-- index is of is what PostgreSQL says that its predicate is, to the letter.
CREATE FUNCTION dewey_part_indexes()
RETURNS TABLE (part oid, name text, low timestamptz, high timestamptz, valid boolean)
LANGUAGE sql STABLE SET search_path FROM CURRENT SET datestyle = 'ISO' SET timezone = 'UTC' AS $$
    WITH found AS MATERIALIZED (
        SELECT t.oid AS part, t.relname::text AS of, c.relname::text AS name, x.indisvalid AS valid,
               pg_get_expr(x.indpred, x.indrelid) AS said
        FROM pg_inherits h
        JOIN pg_class t ON t.oid = h.inhrelid
        JOIN pg_index x ON x.indrelid = t.oid AND x.indpred IS NOT NULL
        JOIN pg_class c ON c.oid = x.indexrelid
        WHERE h.inhparent = 'logs'::regclass AND c.relname ~ '_[0-9]{6}$'
    ), bounds AS MATERIALIZED (
        SELECT f.*, split_part(said, '''', 4)::timestamptz AS low,
               split_part(said, '''', 2)::timestamptz AS high
        FROM found f
        WHERE said = format('((created_at < %L::timestamp with time zone)'
                            ' AND (created_at >= %L::timestamp with time zone))',
                            split_part(said, '''', 2), split_part(said, '''', 4))
    )
    SELECT b.part, b.name, b.low, b.high, b.valid
    FROM bounds b
    JOIN dewey_search_indexes(b.of) i ON b.name = i.name || to_char(b.low, '_HH24MISS')
$$;

-- Return the partitions in the pieces that search asks one by one: the whole of it where it is indexed, or
-- its parts, and what lies between them.
CREATE FUNCTION dewey_stretches()
RETURNS TABLE (part oid, name text, low timestamptz, high timestamptz, indexed boolean)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH partitions AS MATERIALIZED (
        SELECT p.part, p.name, p.low, p.high,
               NOT EXISTS (SELECT FROM dewey_search_indexes(p.name) i
                           WHERE NOT EXISTS (SELECT FROM pg_index x JOIN pg_class n ON n.oid = x.indexrelid
                                             WHERE x.indrelid = p.part AND x.indisvalid
                                               AND x.indpred IS NULL AND n.relname = i.name::name)
                          ) AS indexed
        FROM dewey_partitions() p
        WHERE NOT p.pending
    ), parts AS MATERIALIZED (
        SELECT x.part, x.low, x.high FROM dewey_part_indexes() x
        GROUP BY x.part, x.low, x.high
        HAVING count(*) FILTER (WHERE x.valid) = (SELECT count(*) FROM dewey_search_indexes(''))
    )
    SELECT p.part, p.name, p.low, p.high, true FROM partitions p WHERE p.indexed
    UNION ALL
    SELECT p.part, p.name, s.low, s.high, true
    FROM partitions p JOIN parts s ON s.part = p.part WHERE NOT p.indexed
    UNION ALL
    SELECT p.part, p.name, lower(gap), upper(gap), false
    FROM partitions p
    CROSS JOIN LATERAL unnest(
        tstzmultirange(tstzrange(p.low, p.high))
        - coalesce((SELECT range_agg(tstzrange(s.low, s.high)) FROM parts s WHERE s.part = p.part),
                   '{}')) gap
    WHERE NOT p.indexed
    ORDER BY 3
$$;

INSERT INTO dewey_rights (kind, name, writer, reader) VALUES
    ('FUNCTION', 'dewey_part_indexes', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_stretches', NULL, 'EXECUTE');
