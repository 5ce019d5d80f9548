-- As before, in one pass over the runs in their order: looking the nearest first delivery up for each
-- entry took seconds where a hundred thousand had been delivered again, as after an outage under load.
-- Runs of first deliveries never overlap, so that the highest one so far is the nearest one.
CREATE OR REPLACE FUNCTION dewey_alone(p_stream text, p_epoch int, p_ms numeric, p_seq numeric)
RETURNS TABLE (delivery text, ms numeric, seq numeric)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH runs AS (
        SELECT delivery, first_ms, first_seq, last_ms, last_seq,
               max(last_ms * 18446744073709551616 + last_seq) FILTER (WHERE delivery = 'new')
                   OVER (ORDER BY first_ms, first_seq) AS settled_to
        FROM logs_ledger_entries
        WHERE stream = p_stream AND epoch = p_epoch AND delivery IN ('new', 'again', 'vanished')
    )
    SELECT DISTINCT a.delivery, a.first_ms, a.first_seq
    FROM runs a
    LEFT JOIN logs_ledger_past p ON p.stream = p_stream AND p.epoch = p_epoch
    WHERE a.delivery IN ('again', 'vanished')
      AND (p_ms IS NULL OR (a.last_ms, a.last_seq) < (p_ms, p_seq))
      AND (a.settled_to IS NULL
           OR a.settled_to < a.first_ms * 18446744073709551616 + a.first_seq)
      AND (p.bound_ms IS NULL OR (a.first_ms, a.first_seq) >= (p.bound_ms, p.bound_seq))
$$;
