"""Simulator: a provider to try Tollhouse with - every dialect, faults on request, and a count of what it billed.

Start it with `python -m tollhouse.simulator --port P [--recordings DIR] [--certificate F --key F]`, or from Python with
`server.run` or, in a thread, `server.serving(app.SimulatorApp())`. It answers OpenAI (`…/chat/completions`,
`…/responses`, `…/embeddings`, `/v1/models`), Anthropic (`…/messages`, `…/messages/count_tokens`, `/v1/models` with
`anthropic-version`), Gemini (`…/models/{m}:generateContent`, `:streamGenerateContent`, `:countTokens`,
`/v1beta/models`), and echoes `/raw/…`. Any key in the provider's usual place will do, except `sk-invalid…` and the
gateway's own `th_…`.

What the answer shall be is said by the request, in the header `X-Simulate: key=value; key=value`. A client that cannot
set headers says the same in the body: OpenAI `metadata.simulate` or `user: "simulate: …"`, Anthropic
`metadata.user_id: "simulate: …"`, Gemini `labels.simulate`. The header wins. An unknown key is a 400.

    input_tokens (all input, cached parts included)  output_tokens (of each choice, reasoning included)
    cached_tokens  cache_write_tokens  cache_write_1h_tokens  reasoning_tokens  tier
    chunks  chunk_bytes  pace_ms (between events)  latency_ms (before the head)
    tool=true  refusal=true  over_limit=true  text=…  retry_after=…  recording=STEM
    fault=NAME[:NUMBER], as often as wanted:
      status:NNN  reset_before  reset_head  reset_mid:N  eof_mid:N  stall_before  stall_mid:N  drip  garbage
      garbage_mid:N  huge_line:BYTES  missing_usage  stream_error:N  gzip  usage_twice  wrong_length

Equal requests get equal bodies, ids included; the request id in the head is new each time. Everything a provider would
bill is counted when it is generated: an answer that is not streamed when it is computed, even if the connection then
breaks or nobody waits; a stream's input at its start and its output event by event. Error statuses are free.

    GET /_simulator/billed[?last=N]    totals and bills      POST /_simulator/reset
    GET /_simulator/requests[?last=N]  requests as they came GET /_simulator/health
"""
