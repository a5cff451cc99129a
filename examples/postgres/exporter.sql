-- The role of tocsin-postgres-exporter: it reads statistics and settings, and nothing that users store.
-- Run once, as a superuser:  psql -v password="'...'" -f exporter.sql
CREATE ROLE tocsin_exporter LOGIN PASSWORD :password CONNECTION LIMIT 5;

-- Statistics, settings and sizes. Versions before 10 do not have it: there a role sees only its own sessions.
GRANT pg_monitor TO tocsin_exporter;

-- It never writes, and never waits for long, whatever the exporter asks.
ALTER ROLE tocsin_exporter SET default_transaction_read_only = on;
ALTER ROLE tocsin_exporter SET lock_timeout = '100ms';
ALTER ROLE tocsin_exporter SET idle_in_transaction_session_timeout = '10s';

-- For --collector.stat_statements, in the database that the exporter connects to; the server needs
-- shared_preload_libraries = 'pg_stat_statements'.
-- CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

-- For --collector.bloat, from version 14 on: the planner's statistics of a column are shown to who may read the
-- column. This lets it read all data; leave it out where that is too much.
-- GRANT pg_read_all_data TO tocsin_exporter;
