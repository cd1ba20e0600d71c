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
