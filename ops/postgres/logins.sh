#!/bin/sh
# Who logs in to PostgreSQL for what. Runs once, while an empty cluster is made (the images run what
# lies in /docker-entrypoint-initdb.d), as the superuser whom nobody uses afterwards.
#
# The owner's login owns the database; the three roles whose rights `dewey migrate` sets are made here,
# because that login may create none. psql reads the passwords itself: arguments are seen by others.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"
psql -v ON_ERROR_STOP=1 -q --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set owner `cat "$SECRETS/postgres_owner"`
\set writer `cat "$SECRETS/postgres_writer"`
\set reader `cat "$SECRETS/postgres_reader"`
CREATE ROLE dewey_owner;
CREATE ROLE dewey_writer;
CREATE ROLE dewey_reader;
CREATE ROLE godot_owner LOGIN PASSWORD :'owner' IN ROLE dewey_owner;
CREATE ROLE godot_writer LOGIN PASSWORD :'writer' IN ROLE dewey_writer;
CREATE ROLE godot_reader LOGIN PASSWORD :'reader' IN ROLE dewey_reader;
CREATE DATABASE dewey OWNER godot_owner;
REVOKE ALL ON DATABASE dewey FROM PUBLIC;
SQL
