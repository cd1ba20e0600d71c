-- Each statement returns the names of the objects of which its name is true. Operator tables have no tenant.

-- name: has_no_forced_row_security
-- Without FORCE the owner is not bound; a partition needs its own.
-- scope: operator
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'th'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL(%(operator_tables)s)
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)

-- name: has_no_tenant_id_that_is_not_null
-- Every row is somebody's.
-- scope: operator
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'th'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL(%(operator_tables)s)
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull)

-- name: has_no_primary_key
-- Rows without a key cannot be booked once.
-- scope: operator
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'th'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)

-- name: has_a_unique_index_that_does_not_begin_with_tenant_id
-- Row security does not bind unique indexes: one over tenants tells a tenant what another has.
-- scope: operator
SELECT c.relname
FROM pg_class c
JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE c.relnamespace = 'th'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL(%(operator_tables)s)
  AND a.attname IS DISTINCT FROM 'tenant_id'

-- name: has_a_foreign_key_that_does_not_begin_with_tenant_id
-- Foreign keys are checked without row security as well.
-- scope: operator
SELECT c.relname
FROM pg_class c
JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
WHERE c.relnamespace = 'th'::regnamespace
  AND (a.attname <> 'tenant_id' OR f.attname <> 'tenant_id')

-- name: has_no_policy_for_the_application
-- A table that nobody wrote a policy for was forgotten.
-- scope: operator
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'th'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL(%(operator_tables)s)
  AND NOT EXISTS (
    SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND 'tollhouse_app'::regrole = ANY(p.polroles))

-- name: has_a_policy_without_using_or_with_check
-- One without the other lets rows be read, or planted.
-- scope: operator
SELECT c.relname
FROM pg_class c
JOIN pg_policy p ON p.polrelid = c.oid
WHERE c.relnamespace = 'th'::regnamespace AND (p.polqual IS NULL OR p.polwithcheck IS NULL)

-- name: has_a_policy_that_is_not_the_tenants
-- The application, and anybody but the ledger's functions, sees the transaction's tenant and nothing else.
-- scope: operator
SELECT c.relname
FROM pg_class c
JOIN pg_policy p ON p.polrelid = c.oid
WHERE c.relnamespace = 'th'::regnamespace
  AND p.polroles <> ARRAY['tollhouse_ledger'::regrole::oid]
  AND (p.polroles <> ARRAY['tollhouse_app'::regrole::oid]
    OR pg_get_expr(p.polqual, p.polrelid) <> '(tenant_id = ( SELECT th.tenant() AS tenant))'
    OR pg_get_expr(p.polwithcheck, p.polrelid) <> '(tenant_id = ( SELECT th.tenant() AS tenant))')

-- name: is_a_partition_and_granted_to_somebody
-- Partitions are reached through their parent only.
-- scope: operator
SELECT c.relname
FROM pg_class c, LATERAL aclexplode(c.relacl) g
WHERE c.relnamespace = 'th'::regnamespace AND c.relispartition AND g.grantee <> c.relowner

-- name: is_an_operator_table_and_granted_to_others_than_the_ledger
-- They have no row security.
-- scope: operator
SELECT c.relname
FROM pg_class c, LATERAL aclexplode(c.relacl) g
WHERE c.relnamespace = 'th'::regnamespace AND c.relname = ANY(%(operator_tables)s)
  AND g.grantee NOT IN (c.relowner, 'tollhouse_ledger'::regrole)

-- name: is_granted_to_public_or_to_the_gateway
-- The gateway has functions, not tables.
-- scope: operator
SELECT c.relname
FROM pg_class c, LATERAL aclexplode(c.relacl) g
WHERE c.relnamespace = 'th'::regnamespace AND g.grantee IN (0, 'tollhouse_gateway'::regrole)

-- name: is_append_only_and_may_be_changed
-- The ledger is only ever appended to.
-- scope: operator
SELECT c.relname
FROM pg_class c, LATERAL aclexplode(c.relacl) g
WHERE c.relnamespace = 'th'::regnamespace AND c.relname IN ('calls', 'ledger_entries')
  AND g.grantee <> c.relowner AND g.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')

-- name: is_a_definer_function_without_a_pinned_search_path
-- Else its caller chooses what its names mean; a temporary schema that is not named last is searched first.
-- scope: operator
SELECT p.proname
FROM pg_proc p
WHERE p.pronamespace = 'th'::regnamespace AND p.prosecdef
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting = 'search_path=pg_catalog, pg_temp')

-- name: is_a_definer_function_that_public_may_execute
-- EXECUTE is everybody's unless it is revoked.
-- scope: operator
SELECT p.proname
FROM pg_proc p, LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
WHERE p.pronamespace = 'th'::regnamespace AND p.prosecdef AND g.grantee = 0

-- name: is_a_sequence
-- Its value tells a tenant how busy the others are.
-- scope: operator
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'th'::regnamespace AND c.relkind = 'S'

-- name: is_a_view_with_its_owners_rights
-- It would see past row security; a materialized one always does.
-- scope: operator
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'th'::regnamespace
  AND (c.relkind = 'm' OR (c.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY(c.reloptions), false)))
