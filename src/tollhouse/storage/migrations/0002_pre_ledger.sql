-- The ledger: calls by month, their rollups, budget windows, leases, and the entries that are only ever appended.

CREATE TABLE th.calls (
    tenant_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    call_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    key_id text,
    dialect text NOT NULL,
    operation text NOT NULL,
    provider text,
    requested_model text,
    model text,
    streaming boolean NOT NULL,
    credential_mode text,
    credential_ref text,
    team text,
    app text,
    feature text,
    customer text,
    customer_tier text,
    environment text,
    cost_center text,
    session_id text,
    trace_id text,
    prompt_template text,
    request_bytes bigint NOT NULL,
    response_bytes bigint NOT NULL,
    snapshot_version bigint NOT NULL,
    price_book_version text,
    worker text,
    hold_nano_usd bigint,
    holds jsonb NOT NULL CHECK (jsonb_typeof(holds) = 'array'),
    outcome text NOT NULL CHECK (outcome IN (
        'completed', 'provider_error', 'provider_cut', 'provider_unreachable', 'provider_timeout',
        'client_gone', 'refused', 'gateway_stopped', 'gateway_lost', 'gateway_fault')),
    status integer,
    provider_status integer,
    error_code text,
    latency_ms bigint NOT NULL,
    ttft_ms bigint,
    input_tokens bigint,
    output_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    reasoning_tokens bigint,
    units jsonb NOT NULL,
    fees jsonb NOT NULL,
    raw_usage jsonb,
    usage_source text NOT NULL CHECK (usage_source IN ('reported', 'partial', 'estimated', 'none')),
    flags text[] NOT NULL,
    service_tier text,
    cost_nano_usd bigint,
    price_status text NOT NULL CHECK (price_status IN ('priced', 'unpriced', 'free')),
    price_id text,
    charge_lines jsonb NOT NULL,
    provider_request_id text,
    provider_response_id text,
    attempts integer NOT NULL,
    cache_hit boolean NOT NULL,
    routed boolean NOT NULL,
    PRIMARY KEY (tenant_id, started_at, call_id)
) PARTITION BY RANGE (started_at);
-- `tail` reads the newest pages only; a block-range index costs the writer next to nothing.
CREATE INDEX calls_recorded_at ON th.calls USING brin (recorded_at) WITH (pages_per_range = 32);
CREATE TRIGGER calls_append_only BEFORE UPDATE OR DELETE ON th.calls
FOR EACH ROW EXECUTE FUNCTION th.refuse_change();
SELECT th.secure_tenant_table('th.calls');

-- A partition does not inherit row security. It is filled and read through its parent, so nobody is granted anything
-- on it, and its own policies are a second wall.
CREATE TABLE th.calls_default (LIKE th.calls INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
SELECT th.secure_tenant_table('th.calls_default');
ALTER TABLE th.calls ATTACH PARTITION th.calls_default DEFAULT;

-- A month whose calls already lie in the default partition (a clock was wrong) stays there: rows are never moved.
-- Attaching, unlike CREATE … PARTITION OF, does not stop calls from being written meanwhile.
CREATE FUNCTION th.ensure_partitions(from_moment timestamptz, to_moment timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    month timestamptz := date_trunc('month', from_moment);
    next_month timestamptz;
    partition_name text;
    made integer := 0;
BEGIN
    IF from_moment IS NULL OR to_moment IS NULL OR to_moment > from_moment + interval '5 years' THEN
        RAISE EXCEPTION 'partitions are made for at most five years at a time' USING ERRCODE = '22023';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('tollhouse.partitions', 0));
    WHILE month < to_moment LOOP
        next_month := month + interval '1 month';
        partition_name := 'calls_' || to_char(month, 'YYYYMM');
        IF to_regclass('th.' || partition_name) IS NULL
            AND NOT EXISTS (SELECT FROM th.calls_default d WHERE d.started_at >= month AND d.started_at < next_month)
        THEN
            EXECUTE format('CREATE TABLE th.%I (LIKE th.calls INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
            PERFORM th.secure_tenant_table(format('th.%I', partition_name)::regclass);
            EXECUTE format('ALTER TABLE th.calls ATTACH PARTITION th.%I FOR VALUES FROM (%L) TO (%L)',
                partition_name, month, next_month);
            made := made + 1;
        END IF;
        month := next_month;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION th.ensure_partitions(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION th.ensure_partitions(timestamptz, timestamptz) TO tollhouse_app, tollhouse_gateway;

-- Sums by a quarter of an hour (UTC) and by every label but session, trace and prompt template; ' where a label was
-- not said. All labels together may be too long for an index, so the key has their hash.
CREATE TABLE th.call_rollups (
    tenant_id uuid NOT NULL,
    bucket timestamptz NOT NULL,
    labels_hash bytea NOT NULL,
    team text NOT NULL,
    app text NOT NULL,
    feature text NOT NULL,
    customer text NOT NULL,
    customer_tier text NOT NULL,
    environment text NOT NULL,
    cost_center text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    key_id text NOT NULL,
    operation text NOT NULL,
    price_status text NOT NULL,
    calls bigint NOT NULL,
    unpriced_calls bigint NOT NULL,
    estimated_calls bigint NOT NULL,
    errors bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    cost_nano_usd bigint NOT NULL,
    latency_ms bigint NOT NULL,
    PRIMARY KEY (tenant_id, bucket, labels_hash)
) WITH (fillfactor = 70);
COMMENT ON COLUMN th.call_rollups.cost_nano_usd IS 'Of the calls that have a cost: partial where unpriced_calls > 0.';
SELECT th.secure_tenant_table('th.call_rollups');

-- A period of a budget. Invariant in every committed state: settled - overrun + sum of leases' rest <= limit.
CREATE TABLE th.budget_windows (
    tenant_id uuid NOT NULL,
    window_id text NOT NULL,
    budget_id text,
    starts_at timestamptz,
    ends_at timestamptz,
    limit_nano_usd bigint,
    settled_nano_usd bigint NOT NULL DEFAULT 0,
    overrun_nano_usd bigint NOT NULL DEFAULT 0,
    leased_nano_usd bigint NOT NULL DEFAULT 0,
    calls bigint NOT NULL DEFAULT 0,
    unpriced_calls bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, window_id),
    CHECK (ends_at > starts_at)
) WITH (fillfactor = 50);
COMMENT ON COLUMN th.budget_windows.limit_nano_usd IS 'NULL where a call was settled before the window was known here.';
COMMENT ON COLUMN th.budget_windows.leased_nano_usd IS 'Sum over its leases of granted - spent.';
SELECT th.secure_tenant_table('th.budget_windows');

CREATE TABLE th.leases (
    tenant_id uuid NOT NULL,
    lease_id text NOT NULL,
    window_id text NOT NULL,
    epoch bigint NOT NULL,
    granted_nano_usd bigint NOT NULL,
    spent_nano_usd bigint NOT NULL DEFAULT 0,
    worker text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, lease_id),
    FOREIGN KEY (tenant_id, window_id) REFERENCES th.budget_windows (tenant_id, window_id),
    CHECK (spent_nano_usd BETWEEN 0 AND granted_nano_usd)
) WITH (fillfactor = 50);
CREATE INDEX leases_of_window ON th.leases (tenant_id, window_id);
SELECT th.secure_tenant_table('th.leases');

-- A settlement is known by its call, so a window can settle a call once only.
CREATE TABLE th.ledger_entries (
    tenant_id uuid NOT NULL,
    window_id text NOT NULL,
    entry_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('grant', 'return', 'settle', 'adjust', 'overrun')),
    amount_nano_usd bigint NOT NULL,
    lease_id text,
    epoch bigint,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, window_id, entry_id, kind)
);
COMMENT ON COLUMN th.ledger_entries.entry_id IS 'The call of a settle or overrun; else an id of its own.';
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON th.ledger_entries
FOR EACH ROW EXECUTE FUNCTION th.refuse_change();
SELECT th.secure_tenant_table('th.ledger_entries');

GRANT SELECT ON th.calls, th.call_rollups, th.budget_windows, th.leases, th.ledger_entries TO tollhouse_app;
GRANT SELECT, INSERT ON th.calls, th.ledger_entries TO tollhouse_ledger;
GRANT SELECT, INSERT, UPDATE ON th.call_rollups, th.budget_windows, th.leases TO tollhouse_ledger;
