-- Who may do what. Three roles of the whole cluster, which nobody logs in with: logins are granted
-- them. `dewey_owner` owns everything here, makes and drops days and migrates; `dewey_writer` is for
-- workers, `dewey_reader` for every query. PUBLIC may do nothing. Where the migrating login may not
-- create roles, everything goes on as that login until somebody creates them.

-- One row for each object, kept by the migration that makes it: what the writer and the reader may do
-- with it, as GRANT spells it. NULL is nothing; what is not here belongs to the owner alone, too.
CREATE TABLE dewey_rights (
    kind   text NOT NULL CHECK (kind IN ('TABLE', 'FUNCTION', 'TYPE')),
    name   text NOT NULL,
    writer text,
    reader text,
    PRIMARY KEY (kind, name)
);

-- What a writer reads is what its statements cannot do without: the keys that ON CONFLICT and
-- RETURNING look at, the runs and bounds that a batch is held against, the filters of clears, and
-- numbers of the ledger, which say when a silent producer can be forgotten. Never a message.
INSERT INTO dewey_rights (kind, name, writer, reader) VALUES
    ('TYPE', 'log_level', 'USAGE', NULL),  -- a column of its temporary table
    ('TABLE', 'logs', 'INSERT, SELECT (created_at, id)', 'SELECT'),
    ('TABLE', 'logs_moved', 'INSERT, SELECT (id)', 'SELECT'),
    ('TABLE', 'logs_rejected',
     'INSERT, SELECT (record_id, state), UPDATE (state, reason, sqlstate, changed_at)', 'SELECT'),
    ('TABLE', 'logs_ledger', 'INSERT, SELECT (stream, producer, seqs, at)', 'SELECT'),
    ('TABLE', 'logs_ledger_entries',
     'INSERT, SELECT (stream, epoch, delivery, first_ms, first_seq, last_ms, last_seq)', 'SELECT'),
    ('TABLE', 'logs_ledger_past', 'SELECT (stream, epoch, bound_ms, bound_seq)', 'SELECT'),
    ('TABLE', 'logs_streams', NULL, 'SELECT'),
    ('TABLE', 'logs_epochs', NULL, 'SELECT'),
    ('TABLE', 'logs_cleared', 'SELECT (filter, at)', 'SELECT'),
    ('TABLE', 'logs_rollup', 'INSERT', 'SELECT'),
    ('TABLE', 'logs_pattern_rollup', 'INSERT', 'SELECT'),
    ('TABLE', 'logs_pattern', 'INSERT, SELECT (pattern)', 'SELECT'),
    ('TABLE', 'logs_settings', NULL, 'SELECT'),
    ('TABLE', 'logger_config', NULL, 'SELECT'),
    ('TABLE', 'dewey_migrations', NULL, 'SELECT'),
    ('TABLE', 'dewey_rights', NULL, 'SELECT'),
    ('FUNCTION', 'dewey_window', 'EXECUTE', 'EXECUTE'),
    ('FUNCTION', 'dewey_text', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_partitions', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_partition_of', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_has_partition', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_search_indexes', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_ensure_partition', 'EXECUTE', NULL),
    ('FUNCTION', 'dewey_known_under', 'EXECUTE', NULL),
    ('FUNCTION', 'dewey_epoch', NULL, NULL),
    ('FUNCTION', 'dewey_batch_epoch', 'EXECUTE', NULL),
    ('FUNCTION', 'dewey_stream_gone', 'EXECUTE', NULL),
    ('FUNCTION', 'dewey_alone', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_settled', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_beyond', NULL, 'EXECUTE'),
    ('FUNCTION', 'dewey_merge_numbers', NULL, NULL),
    ('FUNCTION', 'dewey_merge_entries', NULL, NULL),
    ('FUNCTION', 'dewey_merge_rollups', NULL, NULL),
    ('FUNCTION', 'dewey_has_right', NULL, NULL),
    ('FUNCTION', 'dewey_grant', NULL, NULL);

CREATE FUNCTION dewey_has_right(role text, privilege text, kind text, object text) RETURNS boolean
LANGUAGE sql
RETURN CASE kind WHEN 'SCHEMA' THEN has_schema_privilege(role, object, privilege)
                 ELSE has_database_privilege(role, object, privilege) END;

-- Make the roles where that is allowed, hand everything to the owner, and grant what dewey_rights
-- says and nothing else; return what could not be done, a line each. Every `dewey migrate` ends with
-- it: a second run changes nothing, and one after somebody created the roles does what was left.
--
-- What others were granted by hand stays. Partitions are reached through `logs`, so nothing is granted
-- on them. Roles are shared by the databases of a cluster: another one may create them meanwhile.
CREATE FUNCTION dewey_grant() RETURNS SETOF text
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    here     text := current_schema();
    act_as   text := CASE WHEN current_setting('server_version_num')::int < 160000
                     THEN 'MEMBER' ELSE 'SET' END;
    missing  text[] := '{}';
    handing  text[];  -- statements, all made before the first one runs: no table can be handed over
    granting text[];  -- while it is being read
    command  text;
    who      text;
    item     record;
BEGIN
    FOREACH who IN ARRAY ARRAY['dewey_owner', 'dewey_writer', 'dewey_reader'] LOOP
        CONTINUE WHEN to_regrole(who) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I', who);
            IF who = 'dewey_owner' AND NOT pg_has_role(who, act_as) THEN
                EXECUTE format('GRANT dewey_owner TO %I', current_user);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN missing := missing || who;
        END;
    END LOOP;
    IF missing <> '{}' THEN
        RETURN NEXT format('%s may not create the roles %s: none but the owner can write or read until '
                           'they exist and this ran again',
                           current_user, array_to_string(missing, ', '));
    END IF;

    FOR item IN
        SELECT *
        FROM (VALUES ('dewey_owner', 'USAGE', 'SCHEMA', here),
                     ('dewey_owner', 'CREATE', 'SCHEMA', here),
                     ('dewey_writer', 'USAGE', 'SCHEMA', here),
                     ('dewey_reader', 'USAGE', 'SCHEMA', here),
                     ('dewey_owner', 'CONNECT', 'DATABASE', current_database()),
                     ('dewey_writer', 'CONNECT', 'DATABASE', current_database()),
                     ('dewey_writer', 'TEMPORARY', 'DATABASE', current_database()),
                     ('dewey_reader', 'CONNECT', 'DATABASE', current_database()))
             needed(role, privilege, kind, object)
        WHERE to_regrole(role) IS NOT NULL AND NOT dewey_has_right(role, privilege, kind, object)
    LOOP
        BEGIN
            EXECUTE format('GRANT %s ON %s %I TO %s', item.privilege, item.kind, item.object, item.role);
        EXCEPTION
            WHEN insufficient_privilege THEN NULL;
        END;
        IF NOT dewey_has_right(item.role, item.privilege, item.kind, item.object) THEN
            RETURN NEXT format('%s may not GRANT %s ON %s %I TO %s',
                               current_user, item.privilege, item.kind, item.object, item.role);
        END IF;
    END LOOP;

    -- whoever owned something may go on as before
    SELECT array_agg(DISTINCT format('GRANT dewey_owner TO %I', pg_get_userbyid(owner)))
               FILTER (WHERE NOT pg_has_role(owner, 'dewey_owner', 'MEMBER'))
           || array_agg(format('ALTER %s %I.%I OWNER TO dewey_owner', kind, here, name))
    INTO handing
    FROM (SELECT 'TABLE', relname, relowner, relnamespace FROM pg_class WHERE relkind IN ('r', 'p')
          UNION ALL SELECT 'FUNCTION', proname, proowner, pronamespace FROM pg_proc
          UNION ALL SELECT 'TYPE', typname, typowner, typnamespace FROM pg_type)
         o(kind, name, owner, place)
    WHERE place = (SELECT oid FROM pg_namespace WHERE nspname = here)
      AND owner <> to_regrole('dewey_owner')
      AND ((kind, name) IN (SELECT r.kind, r.name FROM dewey_rights r)
           OR kind = 'TABLE' AND name ~ '^logs_[0-9]{8}(_[0-9]{2})?$');
    IF handing IS NOT NULL AND NOT (pg_has_role('dewey_owner', act_as)
                                    AND has_schema_privilege('dewey_owner', here, 'CREATE')) THEN
        handing := NULL;
        RETURN NEXT format('%s may not hand over to dewey_owner: only %s can migrate and maintain',
                           current_user, current_user);
    END IF;

    SELECT array_agg(format('REVOKE ALL ON %s %I.%I FROM %s', kind, here, name, role))
           || array_agg(format('GRANT %s ON %s %I.%I TO %s', privileges, kind, here, name, role))
              FILTER (WHERE privileges IS NOT NULL)
    INTO granting
    FROM dewey_rights
    CROSS JOIN LATERAL (VALUES ('PUBLIC', NULL), ('dewey_writer', writer), ('dewey_reader', reader))
                       r(role, privileges)
    WHERE role = 'PUBLIC' OR to_regrole(role) IS NOT NULL;

    FOREACH command IN ARRAY handing || granting LOOP
        EXECUTE command;
    END LOOP;
END $$;
