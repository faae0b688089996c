#!/bin/sh
# Run once, by the image of PostgreSQL, on an empty volume: one role and its databases for Redraft, another for Temporal.
# CREATEROLE is for the roles behind row level security, which `redraft migrate` makes.
set -eu
psql --no-psqlrc --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 --quiet \
    --set redraft="$REDRAFT_DB_PASSWORD" --set temporal="$TEMPORAL_DB_PASSWORD" <<'SQL'
CREATE ROLE redraft LOGIN CREATEROLE PASSWORD :'redraft';
CREATE ROLE temporal LOGIN PASSWORD :'temporal';
CREATE DATABASE redraft OWNER redraft;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE redraft, temporal, temporal_visibility FROM PUBLIC;
SQL
