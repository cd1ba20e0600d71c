-- name: settle_batch
-- Books closed calls once each; runs as the gateway, for all tenants of the batch. Each record carries its tenant.
-- scope: operator
SELECT th.settle_batch(%(payload)s)

-- name: ensure_partitions
-- Months exist before their first call; partitions belong to no tenant.
-- scope: operator
SELECT th.ensure_partitions(%(since)s, %(until)s)

-- name: list_calls
-- Newest first, from the key of the last row seen; one index range per page.
SELECT
    call_id, tenant_id, started_at, recorded_at, key_id, dialect, operation, provider, requested_model, model, streaming,
    credential_mode, credential_ref, team, app, feature, customer, customer_tier, environment, cost_center, session_id,
    trace_id, prompt_template, request_bytes, response_bytes, snapshot_version, price_book_version, worker,
    hold_nano_usd, holds::text, outcome, status, provider_status, error_code, latency_ms, ttft_ms, input_tokens,
    output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, units::text, fees::text, raw_usage::text,
    usage_source, flags, service_tier, cost_nano_usd, price_status, price_id, charge_lines::text, provider_request_id,
    provider_response_id, attempts, cache_hit, routed
FROM th.calls
WHERE tenant_id = %(tenant_id)s
  AND started_at >= %(since)s
  AND started_at < %(until)s
  AND (started_at, call_id) < (%(before_started_at)s, %(before_call_id)s)
  AND (%(team)s::text IS NULL OR team = %(team)s)
  AND (%(app)s::text IS NULL OR app = %(app)s)
  AND (%(feature)s::text IS NULL OR feature = %(feature)s)
  AND (%(customer)s::text IS NULL OR customer = %(customer)s)
  AND (%(customer_tier)s::text IS NULL OR customer_tier = %(customer_tier)s)
  AND (%(environment)s::text IS NULL OR environment = %(environment)s)
  AND (%(cost_center)s::text IS NULL OR cost_center = %(cost_center)s)
  AND (%(session_id)s::text IS NULL OR session_id = %(session_id)s)
  AND (%(trace_id)s::text IS NULL OR trace_id = %(trace_id)s)
  AND (%(provider)s::text IS NULL OR provider = %(provider)s)
  AND (%(model)s::text IS NULL OR coalesce(model, requested_model) = %(model)s)
  AND (%(key_id)s::text IS NULL OR key_id = %(key_id)s)
  AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
  AND (%(price_status)s::text IS NULL OR price_status = %(price_status)s)
ORDER BY started_at DESC, call_id DESC
LIMIT %(limit)s

-- name: get_call
-- A call id embeds its start, so the primary key finds it in one partition.
SELECT
    call_id, tenant_id, started_at, recorded_at, key_id, dialect, operation, provider, requested_model, model, streaming,
    credential_mode, credential_ref, team, app, feature, customer, customer_tier, environment, cost_center, session_id,
    trace_id, prompt_template, request_bytes, response_bytes, snapshot_version, price_book_version, worker,
    hold_nano_usd, holds::text, outcome, status, provider_status, error_code, latency_ms, ttft_ms, input_tokens,
    output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, units::text, fees::text, raw_usage::text,
    usage_source, flags, service_tier, cost_nano_usd, price_status, price_id, charge_lines::text, provider_request_id,
    provider_response_id, attempts, cache_hit, routed
FROM th.calls
WHERE tenant_id = %(tenant_id)s
  AND started_at = %(started_at)s
  AND call_id = %(call_id)s

-- name: tail_calls
-- In the order in which they reached the database; the block-range index reads the newest pages alone.
SELECT
    call_id, tenant_id, started_at, recorded_at, key_id, dialect, operation, provider, requested_model, model, streaming,
    credential_mode, credential_ref, team, app, feature, customer, customer_tier, environment, cost_center, session_id,
    trace_id, prompt_template, request_bytes, response_bytes, snapshot_version, price_book_version, worker,
    hold_nano_usd, holds::text, outcome, status, provider_status, error_code, latency_ms, ttft_ms, input_tokens,
    output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, units::text, fees::text, raw_usage::text,
    usage_source, flags, service_tier, cost_nano_usd, price_status, price_id, charge_lines::text, provider_request_id,
    provider_response_id, attempts, cache_hit, routed
FROM th.calls
WHERE tenant_id = %(tenant_id)s
  AND recorded_at >= %(since)s
  AND call_id <> ALL(%(seen)s::uuid[])
ORDER BY recorded_at, call_id
LIMIT %(limit)s

-- name: sum_spend
-- Whole quarters of an hour come from the rollups, the ragged edges from the calls themselves; a label that is not
-- asked for is NULL in every row, one that nobody said is ''.
WITH part AS (
    SELECT
        team, app, feature, customer, customer_tier, environment, cost_center, provider, model, key_id, operation,
        price_status, calls, unpriced_calls, estimated_calls, errors, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, cost_nano_usd, latency_ms
    FROM th.call_rollups
    WHERE tenant_id = %(tenant_id)s
      AND bucket >= %(whole_since)s
      AND bucket < %(whole_until)s
    UNION ALL
    SELECT
        coalesce(team, ''), coalesce(app, ''), coalesce(feature, ''), coalesce(customer, ''),
        coalesce(customer_tier, ''), coalesce(environment, ''), coalesce(cost_center, ''), coalesce(provider, ''),
        coalesce(model, requested_model, ''), coalesce(key_id, ''), operation, price_status, 1,
        (price_status = 'unpriced')::integer, (usage_source IN ('estimated', 'partial'))::integer,
        (outcome NOT IN ('completed', 'client_gone', 'refused'))::integer, coalesce(input_tokens, 0),
        coalesce(output_tokens, 0), coalesce(cache_read_tokens, 0), coalesce(cache_write_tokens, 0),
        coalesce(cost_nano_usd, 0), latency_ms
    FROM th.calls
    WHERE tenant_id = %(tenant_id)s
      AND ((started_at >= %(since)s AND started_at < %(whole_since)s)
        OR (started_at >= %(whole_until)s AND started_at < %(until)s))
), labelled AS (
    SELECT
        CASE WHEN 'team' = ANY(%(by)s) THEN team END AS team,
        CASE WHEN 'app' = ANY(%(by)s) THEN app END AS app,
        CASE WHEN 'feature' = ANY(%(by)s) THEN feature END AS feature,
        CASE WHEN 'customer' = ANY(%(by)s) THEN customer END AS customer,
        CASE WHEN 'customer_tier' = ANY(%(by)s) THEN customer_tier END AS customer_tier,
        CASE WHEN 'environment' = ANY(%(by)s) THEN environment END AS environment,
        CASE WHEN 'cost_center' = ANY(%(by)s) THEN cost_center END AS cost_center,
        CASE WHEN 'provider' = ANY(%(by)s) THEN provider END AS provider,
        CASE WHEN 'model' = ANY(%(by)s) THEN model END AS model,
        CASE WHEN 'key_id' = ANY(%(by)s) THEN key_id END AS key_id,
        CASE WHEN 'operation' = ANY(%(by)s) THEN operation END AS operation,
        CASE WHEN 'price_status' = ANY(%(by)s) THEN price_status END AS price_status,
        calls, unpriced_calls, estimated_calls, errors, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, cost_nano_usd, latency_ms
    FROM part
)
SELECT
    team, app, feature, customer, customer_tier, environment, cost_center, provider, model, key_id, operation, price_status,
    sum(calls)::bigint AS calls,
    sum(unpriced_calls)::bigint AS unpriced_calls,
    sum(estimated_calls)::bigint AS estimated_calls,
    sum(errors)::bigint AS errors,
    sum(input_tokens)::bigint AS input_tokens,
    sum(output_tokens)::bigint AS output_tokens,
    sum(cache_read_tokens)::bigint AS cache_read_tokens,
    sum(cache_write_tokens)::bigint AS cache_write_tokens,
    sum(cost_nano_usd)::bigint AS cost_nano_usd,
    sum(latency_ms)::bigint AS latency_ms
FROM labelled
GROUP BY team, app, feature, customer, customer_tier, environment, cost_center, provider, model, key_id, operation, price_status
ORDER BY cost_nano_usd DESC, calls DESC, team, app, feature, customer, customer_tier, environment, cost_center, provider, model, key_id
LIMIT %(limit)s
