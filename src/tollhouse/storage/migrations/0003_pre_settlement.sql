-- Settlement: the one way in which calls enter the ledger.
--
-- The payload is a JSON array of closed calls as the journal holds them; a field that is absent has its default.
-- Exactly once, whatever is sent again: windows, leases, entries and rollups follow from the rows that were new.
-- All or nothing: a record that cannot be booked fails its batch with SQLSTATE TH001; the sender halves the batch until
-- the record stands alone, and puts it aside.
-- Order of locks: calls, rollups, windows, each by key. A window's lock guards its leases.

CREATE TYPE th.held AS (
    tenant_id uuid,
    window_id text,
    lease_id text,
    epoch bigint,
    call_id uuid,
    cost_nano_usd bigint,
    unpriced boolean
);

-- In plpgsql, so that a session keeps its plan: before version 18 a function in SQL is planned at every call, which
-- takes longer than booking a small batch.
CREATE FUNCTION th.insert_calls(payload text, OUT inserted_calls bigint, OUT held th.held[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
BEGIN
    WITH inserted AS (
        INSERT INTO th.calls (
            tenant_id, started_at, call_id, key_id, dialect, operation, provider, requested_model, model, streaming,
            credential_mode, credential_ref, team, app, feature, customer, customer_tier, environment, cost_center,
            session_id, trace_id, prompt_template, request_bytes, response_bytes, snapshot_version,
            price_book_version, worker, hold_nano_usd, holds, outcome, status, provider_status, error_code,
            latency_ms, ttft_ms, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
            reasoning_tokens, units, fees, raw_usage, usage_source, flags, service_tier, cost_nano_usd,
            price_status, price_id, charge_lines, provider_request_id, provider_response_id, attempts, cache_hit,
            routed)
        SELECT
            c.tenant_id, timestamptz 'epoch' + c.started_ms * interval '1 millisecond', c.call_id, c.key_id,
            coalesce(c.dialect, 'raw'), coalesce(c.operation, 'raw'), c.provider, c.requested_model, c.model,
            coalesce(c.streaming, false), c.credential_mode, c.credential_ref, c.team, c.app, c.feature, c.customer,
            c.customer_tier, c.environment, c.cost_center, c.session_id, c.trace_id, c.prompt_template,
            coalesce(c.request_bytes, 0), coalesce(c.response_bytes, 0), coalesce(c.snapshot_version, 0),
            c.price_book_version, c.worker, c.hold_nano_usd, coalesce(c.holds, '[]'), c.outcome, c.status,
            c.provider_status, c.error_code, coalesce(c.latency_ms, 0), c.ttft_ms, c.input_tokens, c.output_tokens,
            c.cache_read_tokens, c.cache_write_tokens, c.reasoning_tokens, coalesce(c.units, '{}'),
            coalesce(c.fees, '{}'), c.raw_usage, coalesce(c.usage_source, 'none'), coalesce(c.flags, '{}'),
            c.service_tier, c.cost_nano_usd, coalesce(c.price_status, 'free'), c.price_id,
            coalesce(c.charge_lines, '[]'), c.provider_request_id, c.provider_response_id, coalesce(c.attempts, 0),
            coalesce(c.cache_hit, false), coalesce(c.routed, false)
        FROM json_to_recordset(payload::json) AS c(
            tenant_id uuid, started_ms bigint, call_id uuid, key_id text, dialect text, operation text,
            provider text, requested_model text, model text, streaming boolean, credential_mode text,
            credential_ref text, team text, app text, feature text, customer text, customer_tier text,
            environment text, cost_center text, session_id text, trace_id text, prompt_template text,
            request_bytes bigint, response_bytes bigint, snapshot_version bigint, price_book_version text,
            worker text, hold_nano_usd bigint, holds jsonb, outcome text, status integer, provider_status integer,
            error_code text, latency_ms bigint, ttft_ms bigint, input_tokens bigint, output_tokens bigint,
            cache_read_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, units jsonb, fees jsonb,
            raw_usage jsonb, usage_source text, flags text[], service_tier text, cost_nano_usd bigint,
            price_status text, price_id text, charge_lines jsonb, provider_request_id text,
            provider_response_id text, attempts integer, cache_hit boolean, routed boolean)
        ORDER BY c.tenant_id, c.started_ms, c.call_id
        ON CONFLICT DO NOTHING
        RETURNING
            tenant_id, call_id, date_bin('15 minutes', started_at, timestamptz 'epoch') AS bucket,
            coalesce(team, '') AS team, coalesce(app, '') AS app, coalesce(feature, '') AS feature,
            coalesce(customer, '') AS customer, coalesce(customer_tier, '') AS customer_tier,
            coalesce(environment, '') AS environment, coalesce(cost_center, '') AS cost_center,
            coalesce(provider, '') AS provider, coalesce(model, requested_model, '') AS model,
            coalesce(key_id, '') AS key_id, operation, price_status, outcome, usage_source, input_tokens,
            output_tokens, cache_read_tokens, cache_write_tokens, cost_nano_usd, latency_ms, holds
    ), summed AS (
        SELECT
            tenant_id, bucket, team, app, feature, customer, customer_tier, environment, cost_center, provider, model,
            key_id, operation, price_status,
            count(*) AS calls,
            count(*) FILTER (WHERE price_status = 'unpriced') AS unpriced_calls,
            count(*) FILTER (WHERE usage_source IN ('estimated', 'partial')) AS estimated_calls,
            count(*) FILTER (WHERE outcome NOT IN ('completed', 'client_gone', 'refused')) AS errors,
            coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
            coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
            coalesce(sum(cache_read_tokens), 0)::bigint AS cache_read_tokens,
            coalesce(sum(cache_write_tokens), 0)::bigint AS cache_write_tokens,
            coalesce(sum(cost_nano_usd), 0)::bigint AS cost_nano_usd,
            sum(latency_ms)::bigint AS latency_ms
        FROM inserted
        GROUP BY
            tenant_id, bucket, team, app, feature, customer, customer_tier, environment, cost_center, provider, model,
            key_id, operation, price_status
    ), hashed AS (
        SELECT
            s.*,
            sha256(convert_to(json_build_array(
                team, app, feature, customer, customer_tier, environment, cost_center, provider, model, key_id,
                operation, price_status)::text, 'UTF8')) AS labels_hash
        FROM summed s
    ), rolled AS (
        INSERT INTO th.call_rollups AS r (
            tenant_id, bucket, labels_hash, team, app, feature, customer, customer_tier, environment, cost_center,
            provider, model, key_id, operation, price_status, calls, unpriced_calls, estimated_calls, errors,
            input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_nano_usd, latency_ms)
        SELECT
            h.tenant_id, h.bucket, h.labels_hash, h.team, h.app, h.feature, h.customer, h.customer_tier,
            h.environment, h.cost_center, h.provider, h.model, h.key_id, h.operation, h.price_status, h.calls,
            h.unpriced_calls, h.estimated_calls, h.errors, h.input_tokens, h.output_tokens, h.cache_read_tokens,
            h.cache_write_tokens, h.cost_nano_usd, h.latency_ms
        FROM hashed h
        ORDER BY h.tenant_id, h.bucket, h.labels_hash
        ON CONFLICT (tenant_id, bucket, labels_hash) DO UPDATE SET
            calls = r.calls + excluded.calls,
            unpriced_calls = r.unpriced_calls + excluded.unpriced_calls,
            estimated_calls = r.estimated_calls + excluded.estimated_calls,
            errors = r.errors + excluded.errors,
            input_tokens = r.input_tokens + excluded.input_tokens,
            output_tokens = r.output_tokens + excluded.output_tokens,
            cache_read_tokens = r.cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = r.cache_write_tokens + excluded.cache_write_tokens,
            cost_nano_usd = r.cost_nano_usd + excluded.cost_nano_usd,
            latency_ms = r.latency_ms + excluded.latency_ms
    )
    SELECT
        (SELECT count(*) FROM inserted),
        (SELECT array_agg(ROW(
            i.tenant_id, h ->> 0, h ->> 1, (h ->> 2)::bigint, i.call_id, coalesce(i.cost_nano_usd, 0),
            i.price_status = 'unpriced')::th.held)
         FROM inserted i, jsonb_array_elements(i.holds) AS h)
    INTO inserted_calls, held;
END
$$;
REVOKE ALL ON FUNCTION th.insert_calls(text) FROM PUBLIC;
COMMENT ON FUNCTION th.insert_calls(text) IS 'Calls and rollups; the number of new calls, and what they are held against.';

-- Spend moves from lease to window. What no valid lease covers - the call cost more than its hold, the lease was fenced
-- off by a new epoch, or there is none - is booked in full all the same, and as overrun beside it.
CREATE FUNCTION th.settle_holds(held th.held[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO th.budget_windows (tenant_id, window_id)
    SELECT DISTINCT h.tenant_id, h.window_id
    FROM unnest(held) h
    ORDER BY h.tenant_id, h.window_id
    ON CONFLICT DO NOTHING;

    PERFORM FROM th.budget_windows w
    WHERE (w.tenant_id, w.window_id) IN (SELECT h.tenant_id, h.window_id FROM unnest(held) h)
    ORDER BY w.tenant_id, w.window_id
    FOR UPDATE;

    WITH spent AS (
        SELECT
            h.*,
            coalesce(l.granted_nano_usd - l.spent_nano_usd, 0) AS rest,
            sum(h.cost_nano_usd) OVER (
                PARTITION BY h.tenant_id, h.window_id, h.lease_id, h.epoch ORDER BY h.call_id) AS running
        FROM unnest(held) h
        LEFT JOIN th.leases l
            ON l.tenant_id = h.tenant_id AND l.lease_id = h.lease_id AND l.window_id = h.window_id AND l.epoch = h.epoch
    ), covered AS (
        SELECT
            s.*,
            (greatest(0, s.running - s.rest) - greatest(0, s.running - s.cost_nano_usd - s.rest))::bigint AS overrun
        FROM spent s
    ), entered AS (
        INSERT INTO th.ledger_entries (tenant_id, window_id, entry_id, kind, amount_nano_usd, lease_id, epoch)
        SELECT c.tenant_id, c.window_id, c.call_id, 'settle', c.cost_nano_usd, c.lease_id, c.epoch
        FROM covered c
        UNION ALL
        SELECT c.tenant_id, c.window_id, c.call_id, 'overrun', c.overrun, c.lease_id, c.epoch
        FROM covered c
        WHERE c.overrun > 0
    ), drawn AS (
        UPDATE th.leases l
        SET spent_nano_usd = l.spent_nano_usd + d.amount
        FROM (
            SELECT c.tenant_id, c.window_id, c.lease_id, c.epoch, sum(c.cost_nano_usd - c.overrun)::bigint AS amount
            FROM covered c
            GROUP BY c.tenant_id, c.window_id, c.lease_id, c.epoch) d
        WHERE l.tenant_id = d.tenant_id AND l.lease_id = d.lease_id AND l.window_id = d.window_id AND l.epoch = d.epoch
    )
    UPDATE th.budget_windows w
    SET
        settled_nano_usd = w.settled_nano_usd + t.settled,
        overrun_nano_usd = w.overrun_nano_usd + t.overrun,
        leased_nano_usd = w.leased_nano_usd - (t.settled - t.overrun),
        calls = w.calls + t.calls,
        unpriced_calls = w.unpriced_calls + t.unpriced
    FROM (
        SELECT
            c.tenant_id, c.window_id, sum(c.cost_nano_usd)::bigint AS settled, sum(c.overrun)::bigint AS overrun,
            count(*) AS calls, count(*) FILTER (WHERE c.unpriced) AS unpriced
        FROM covered c
        GROUP BY c.tenant_id, c.window_id) t
    WHERE w.tenant_id = t.tenant_id AND w.window_id = t.window_id;
END
$$;
REVOKE ALL ON FUNCTION th.settle_holds(th.held[]) FROM PUBLIC;

CREATE FUNCTION th.settle_batch(payload text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_calls bigint;
    new_held th.held[];
BEGIN
    SELECT i.inserted_calls, i.held INTO new_calls, new_held FROM th.insert_calls(payload) i;
    IF new_held IS NOT NULL THEN
        PERFORM th.settle_holds(new_held);
    END IF;
    IF new_calls > 0 THEN
        PERFORM pg_notify('tollhouse_calls', '');
    END IF;
    RETURN new_calls;
EXCEPTION
    WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
        -- Without the original's detail, which could quote the record.
        RAISE EXCEPTION 'a record of the batch cannot be booked (SQLSTATE %)', SQLSTATE USING ERRCODE = 'TH001';
END
$$;
REVOKE ALL ON FUNCTION th.settle_batch(text) FROM PUBLIC;
COMMENT ON FUNCTION th.settle_batch(text) IS 'Book closed calls, once each; the number that was new.';
GRANT EXECUTE ON FUNCTION th.settle_batch(text) TO tollhouse_gateway;

GRANT CREATE ON SCHEMA th TO tollhouse_ledger;
ALTER FUNCTION th.insert_calls(text) OWNER TO tollhouse_ledger;
ALTER FUNCTION th.settle_holds(th.held[]) OWNER TO tollhouse_ledger;
ALTER FUNCTION th.settle_batch(text) OWNER TO tollhouse_ledger;
REVOKE CREATE ON SCHEMA th FROM tollhouse_ledger;
