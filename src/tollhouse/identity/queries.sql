-- name: create_key
-- A new gateway key; its secret is known to its owner alone, the row has an HMAC.
INSERT INTO th.gateway_keys
    (tenant_id, key_id, name, secret_hmac, pepper_version, fixed_labels, default_labels, providers, expires_at)
VALUES
    (%(tenant_id)s, %(key_id)s, %(name)s, %(secret_hmac)s, %(pepper_version)s,
     %(fixed_labels)s::jsonb, %(default_labels)s::jsonb, %(providers)s::text[], %(expires_at)s)
RETURNING key_id, name, fixed_labels, default_labels, providers, pepper_version, created_at, expires_at, revoked_at;

-- name: list_keys
-- The current version of a tenant's keys, latest first; ended ones too, so that a list explains a refusal.
SELECT key_id, name, fixed_labels, default_labels, providers, pepper_version, created_at, expires_at, revoked_at
FROM th.gateway_keys
WHERE tenant_id = %(tenant_id)s
  AND valid_to IS NULL
ORDER BY created_at DESC, key_id
LIMIT %(rows_max)s;

-- name: revoke_key
-- Ends the current version and appends one that says since when; a key that was revoked before stays as it is.
WITH moment AS MATERIALIZED (
    SELECT clock_timestamp() AS at
),
ended AS (
    UPDATE th.gateway_keys
    SET valid_to = moment.at
    FROM moment
    WHERE tenant_id = %(tenant_id)s
      AND key_id = %(key_id)s
      AND valid_to IS NULL
      AND revoked_at IS NULL
    RETURNING tenant_id, key_id, name, secret_hmac, pepper_version, fixed_labels, default_labels, providers,
              created_at, expires_at, moment.at
)
INSERT INTO th.gateway_keys
    (tenant_id, key_id, valid_from, name, secret_hmac, pepper_version, fixed_labels, default_labels, providers,
     created_at, expires_at, revoked_at)
SELECT tenant_id, key_id, at, name, secret_hmac, pepper_version, fixed_labels, default_labels, providers,
       created_at, expires_at, at
FROM ended
RETURNING key_id, name, fixed_labels, default_labels, providers, pepper_version, created_at, expires_at, revoked_at;

-- name: create_workspace
-- A tenant and the first version of its workspace, unless the name is in use. Run by the owner.
-- scope: operator
WITH made AS (
    INSERT INTO th.tenants (tenant_id)
    SELECT %(tenant_id)s::uuid
    WHERE NOT EXISTS (SELECT FROM th.workspaces w WHERE w.name = %(name)s::text AND w.valid_to IS NULL)
    RETURNING tenant_id
)
INSERT INTO th.workspaces (tenant_id, name)
SELECT made.tenant_id, %(name)s::text
FROM made
RETURNING tenant_id, name;

-- name: list_workspaces
-- Every tenant's current workspace, oldest first. Run by the owner.
-- scope: operator
SELECT w.tenant_id, w.name
FROM th.workspaces w
JOIN th.tenants t ON t.tenant_id = w.tenant_id
WHERE w.valid_to IS NULL
ORDER BY t.created_at, w.tenant_id;
