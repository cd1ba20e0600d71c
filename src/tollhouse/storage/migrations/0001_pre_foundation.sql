-- Foundation: the tenant of a transaction, workspaces, gateway keys, and the version of the configuration.
-- The schema `th` and the group roles exist already: the runner makes them.

CREATE FUNCTION th.tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT nullif(current_setting('tollhouse.tenant', true), '')::uuid
$$;
COMMENT ON FUNCTION th.tenant() IS 'The tenant that this transaction works for; NULL, which no row matches, outside of one.';

CREATE FUNCTION th.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever appended', TG_TABLE_NAME USING ERRCODE = 'TH002';
END
$$;
COMMENT ON FUNCTION th.refuse_change() IS 'Trigger of append-only tables.';

-- What recognises the secret that the login roles' passwords are derived from.
CREATE TABLE th.deployment (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    secret_fingerprint bytea
);
INSERT INTO th.deployment DEFAULT VALUES;

-- Row security for a tenant table: the application sees its tenant, the ledger's functions see all.
-- FORCE binds the owner too, so without the ledger's policies a definer function would see nothing.
CREATE FUNCTION th.secure_tenant_table(target regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY tenant ON %s TO tollhouse_app'
        ' USING (tenant_id = (SELECT th.tenant())) WITH CHECK (tenant_id = (SELECT th.tenant()))', target);
    EXECUTE format('CREATE POLICY ledger ON %s TO tollhouse_ledger USING (true) WITH CHECK (true)', target);
END
$$;
REVOKE ALL ON FUNCTION th.secure_tenant_table(regclass) FROM PUBLIC;

CREATE TABLE th.tenants (
    tenant_id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);
SELECT th.secure_tenant_table('th.tenants');

CREATE TABLE th.workspaces (
    tenant_id uuid NOT NULL REFERENCES th.tenants (tenant_id),
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_to timestamptz,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    on_client_gone text NOT NULL DEFAULT 'drain' CHECK (on_client_gone IN ('drain', 'cancel')),
    PRIMARY KEY (tenant_id, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX workspaces_current ON th.workspaces (tenant_id) WHERE valid_to IS NULL;
SELECT th.secure_tenant_table('th.workspaces');

CREATE TABLE th.gateway_keys (
    tenant_id uuid NOT NULL REFERENCES th.tenants (tenant_id),
    key_id text NOT NULL CHECK (key_id ~ '^[0-9A-Za-z]{12}$'),
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_to timestamptz,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    secret_hmac bytea NOT NULL CHECK (length(secret_hmac) = 32),
    pepper_version integer NOT NULL,
    fixed_labels jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(fixed_labels) = 'object'),
    default_labels jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(default_labels) = 'object'),
    providers text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, key_id, valid_from),
    CHECK (valid_to > valid_from)
);
COMMENT ON COLUMN th.gateway_keys.valid_to IS 'End of this version of the row; the key itself ends by expires_at or revoked_at.';
CREATE UNIQUE INDEX gateway_keys_current ON th.gateway_keys (tenant_id, key_id) WHERE valid_to IS NULL;
SELECT th.secure_tenant_table('th.gateway_keys');

CREATE TABLE th.configuration_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO th.configuration_version (version) VALUES (1);

-- The row's lock makes transactions that change the configuration commit in the order of their versions.
CREATE FUNCTION th.configuration_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed bigint;
BEGIN
    UPDATE th.configuration_version SET version = version + 1 RETURNING version INTO changed;
    PERFORM pg_notify('tollhouse_configuration', changed::text);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION th.configuration_changed() FROM PUBLIC;

CREATE TRIGGER workspaces_changed AFTER INSERT OR UPDATE OR DELETE ON th.workspaces
FOR EACH STATEMENT EXECUTE FUNCTION th.configuration_changed();
CREATE TRIGGER gateway_keys_changed AFTER INSERT OR UPDATE OR DELETE ON th.gateway_keys
FOR EACH STATEMENT EXECUTE FUNCTION th.configuration_changed();

-- STABLE: the version and the rows are of one snapshot. A revoked key is left out, so that no host's
-- clock can keep it alive; one that expired longer ago than a day is as good as unknown.
CREATE FUNCTION th.load_snapshot(since bigint) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    current_version bigint;
BEGIN
    SELECT v.version INTO STRICT current_version FROM th.configuration_version v;
    IF current_version = since THEN
        RETURN NULL;
    END IF;
    RETURN json_build_object(
        'version', current_version,
        'workspaces', (
            SELECT coalesce(json_agg(json_build_object(
                'tenant_id', w.tenant_id, 'name', w.name, 'on_client_gone', w.on_client_gone)), '[]')
            FROM th.workspaces w
            WHERE w.valid_to IS NULL),
        'keys', (
            SELECT coalesce(json_agg(json_build_object(
                'key_id', k.key_id, 'tenant_id', k.tenant_id, 'name', k.name,
                'secret_hmac', replace(encode(k.secret_hmac, 'base64'), E'\n', ''), 'pepper_version', k.pepper_version,
                'fixed_labels', k.fixed_labels, 'default_labels', k.default_labels, 'providers', k.providers,
                'valid_to', k.expires_at)), '[]')
            FROM th.gateway_keys k
            WHERE k.valid_to IS NULL
              AND k.revoked_at IS NULL
              AND coalesce(k.expires_at > now() - interval '1 day', true)))::text;
END
$$;
REVOKE ALL ON FUNCTION th.load_snapshot(bigint) FROM PUBLIC;
COMMENT ON FUNCTION th.load_snapshot(bigint) IS 'The configuration as JSON, or NULL where its version is still `since`.';

GRANT USAGE ON SCHEMA th TO tollhouse_app, tollhouse_gateway, tollhouse_ledger;
GRANT SELECT ON th.tenants TO tollhouse_app;
GRANT SELECT, INSERT, UPDATE ON th.workspaces, th.gateway_keys TO tollhouse_app;
GRANT SELECT ON th.workspaces, th.gateway_keys, th.configuration_version TO tollhouse_ledger;
GRANT UPDATE ON th.configuration_version TO tollhouse_ledger;
GRANT EXECUTE ON FUNCTION th.load_snapshot(bigint) TO tollhouse_gateway;

GRANT CREATE ON SCHEMA th TO tollhouse_ledger;
ALTER FUNCTION th.configuration_changed() OWNER TO tollhouse_ledger;
ALTER FUNCTION th.load_snapshot(bigint) OWNER TO tollhouse_ledger;
REVOKE CREATE ON SCHEMA th FROM tollhouse_ledger;

-- The owner is bound by row security as well, and is a member of the ledger's role.
INSERT INTO th.tenants (tenant_id) VALUES ('00000000-0000-7000-8000-000000000001');
INSERT INTO th.workspaces (tenant_id, name) VALUES ('00000000-0000-7000-8000-000000000001', 'default');
