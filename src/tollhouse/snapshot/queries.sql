-- name: load_snapshot
-- The whole configuration in one consistent read, or NULL while the version is still the one that is known.
-- scope: operator
SELECT th.load_snapshot(%(since)s);

-- name: listen
-- Every committed change of the configuration says so on this channel.
-- scope: operator
LISTEN tollhouse_configuration;
