-- name: has_migrations
-- A database that was never migrated has no list to read.
-- scope: operator
SELECT to_regclass('th.migrations') IS NOT NULL;

-- name: applied_migrations
-- What was applied, to be compared with the files of the code.
-- scope: operator
SELECT
    number,
    name,
    checksum
FROM th.migrations
ORDER BY number;

-- name: role_powers
-- Row security binds neither a superuser nor a role that bypasses it.
-- scope: operator
SELECT
    rolname,
    rolsuper,
    rolbypassrls,
    rolcanlogin
FROM pg_roles
WHERE rolname = ANY(%(roles)s)
ORDER BY rolname;

-- name: database_clock
-- The moment by the database's clock, not by the transaction's beginning.
-- scope: operator
SELECT clock_timestamp();

-- name: lock_migrations
-- One migration at a time; the lock is the session's, so it goes with a process that dies.
-- scope: operator
SELECT pg_advisory_lock(%(key)s);

-- name: make_schema
-- The list of migrations must lie somewhere before the first of them.
-- scope: operator
CREATE SCHEMA IF NOT EXISTS th;

-- name: make_migrations
-- What was applied, and by its checksum from which file.
-- scope: operator
CREATE TABLE IF NOT EXISTS th.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: record_migration
-- In the migration's own transaction, so that neither stands without the other.
-- scope: operator
INSERT INTO th.migrations (number, name, checksum)
VALUES (%(number)s, %(name)s, %(checksum)s);

-- name: ensure_partitions_ahead
-- From last month, whose calls may still be on their way.
-- scope: operator
SELECT th.ensure_partitions(now() - interval '1 month', now() + %(ahead)s::interval);

-- name: role_exists
-- PostgreSQL has no CREATE ROLE IF NOT EXISTS.
-- scope: operator
SELECT 1
FROM pg_roles
WHERE rolname = %(role)s;

-- name: database_exists
-- PostgreSQL has no CREATE DATABASE IF NOT EXISTS either.
-- scope: operator
SELECT 1
FROM pg_database
WHERE datname = %(database)s;

-- name: has_ability
-- Whether the owner may use a role and also act as it, which from version 16 on are two things.
-- scope: operator
SELECT pg_has_role(current_user, %(role)s, 'USAGE') AND pg_has_role(current_user, %(role)s, %(ability)s);

-- name: is_member
-- A grant that is there already is not given again: that would lock the shared catalogue for nothing.
-- scope: operator
SELECT pg_has_role(%(role)s, %(group)s, 'MEMBER');

-- name: deployment
-- Which database this is, and by which secret it is known.
-- scope: operator
SELECT
    current_database(),
    secret_fingerprint
FROM th.deployment;

-- name: claim_deployment
-- The first secret stays; another needs an operator who forgets this one on purpose.
-- scope: operator
UPDATE th.deployment
SET secret_fingerprint = %(fingerprint)s
WHERE secret_fingerprint IS NULL;
