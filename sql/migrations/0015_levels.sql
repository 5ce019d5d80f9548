-- Workers pass levels on to where running programs read them, so their login reads what is in force: a
-- level says nothing of any record.

UPDATE dewey_rights SET writer = 'SELECT (component, level, expires_at)'
WHERE (kind, name) = ('TABLE', 'logger_config');
UPDATE dewey_rights SET writer = 'EXECUTE'
WHERE (kind, name) = ('FUNCTION', 'dewey_text');
