-- Errors are what is looked for most, and few: a store that has none says so at once, however many
-- warnings it holds.
CREATE INDEX logs_error ON logs (created_at, id) WHERE level >= 'ERROR';
CREATE INDEX logs_error_component ON logs (component, created_at) WHERE level >= 'ERROR';
