"""The catalogue lint: clean after the migrations, and red for each planted fault."""

from __future__ import annotations

import psycopg
import pytest

from tollhouse.storage.lint import catalogue_findings
from tollhouse.storage.postgres import DatabaseUrls

GOOD = """
    CREATE TABLE th.planted (tenant_id uuid NOT NULL, name text, PRIMARY KEY (tenant_id, name));
    SELECT th.secure_tenant_table('th.planted');
"""
LEAKY = """
    CREATE TABLE th.planted (tenant_id uuid NOT NULL, name text, PRIMARY KEY (tenant_id, name));
    ALTER TABLE th.planted ENABLE ROW LEVEL SECURITY;
    ALTER TABLE th.planted FORCE ROW LEVEL SECURITY;
"""
OWN = "(tenant_id = (SELECT th.tenant()))"
FAULTS = [
    ("has no forced row security", GOOD + "ALTER TABLE th.planted NO FORCE ROW LEVEL SECURITY"),
    ("has no forced row security", GOOD + "ALTER TABLE th.planted DISABLE ROW LEVEL SECURITY"),
    ("has no tenant id that is not null", "CREATE TABLE th.planted (name text PRIMARY KEY)"),
    ("has no primary key", "CREATE TABLE th.planted (tenant_id uuid NOT NULL)"),
    (
        "has a unique index that does not begin with tenant id",
        GOOD + "CREATE UNIQUE INDEX planted_name ON th.planted (name)",
    ),
    (
        "has a unique index that does not begin with tenant id",
        GOOD + "CREATE UNIQUE INDEX planted_name ON th.planted (lower(name), tenant_id)",
    ),
    (
        "has a foreign key that does not begin with tenant id",
        GOOD + "CREATE TABLE th.target (tenant_id uuid, name text UNIQUE, PRIMARY KEY (tenant_id, name));"
        "ALTER TABLE th.planted ADD FOREIGN KEY (name) REFERENCES th.target (name)",
    ),
    ("has no policy for the application", LEAKY),
    (
        "has a policy without using or with check",
        LEAKY + f"CREATE POLICY p ON th.planted TO tollhouse_app USING {OWN}",
    ),
    (
        "has a policy that is not the tenants",
        LEAKY + "CREATE POLICY p ON th.planted TO tollhouse_app USING (true) WITH CHECK (true)",
    ),
    (
        "has a policy that is not the tenants",
        LEAKY + f"CREATE POLICY p ON th.planted USING {OWN} WITH CHECK {OWN}",
    ),
    (
        "has a policy that is not the tenants",
        LEAKY + f"CREATE POLICY p ON th.planted TO tollhouse_app USING {OWN} WITH CHECK {OWN};"
        "CREATE POLICY q ON th.planted TO tollhouse_gateway USING (true) WITH CHECK (true)",
    ),
    ("is a partition and granted to somebody", "GRANT SELECT ON th.calls_default TO tollhouse_app"),
    (
        "is an operator table and granted to others than the ledger",
        "GRANT SELECT ON th.migrations TO tollhouse_app",
    ),
    ("is granted to public or to the gateway", "GRANT SELECT ON th.workspaces TO PUBLIC"),
    ("is granted to public or to the gateway", "GRANT INSERT ON th.calls TO tollhouse_gateway"),
    ("is append only and may be changed", "GRANT UPDATE ON th.calls TO tollhouse_app"),
    (
        "is a definer function without a pinned search path",
        "CREATE FUNCTION th.planted() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
        "REVOKE ALL ON FUNCTION th.planted() FROM PUBLIC",
    ),
    (
        "is a definer function without a pinned search path",
        "CREATE FUNCTION th.planted() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog"
        " AS 'SELECT 1'; REVOKE ALL ON FUNCTION th.planted() FROM PUBLIC",
    ),
    (
        "is a definer function that public may execute",
        "CREATE FUNCTION th.planted() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog"
        " AS 'SELECT 1'",
    ),
    ("is a sequence", "CREATE SEQUENCE th.planted"),
    ("is a view with its owners rights", "CREATE VIEW th.planted AS SELECT * FROM th.calls"),
    ("is a view with its owners rights", "CREATE MATERIALIZED VIEW th.planted AS SELECT * FROM th.calls"),
]


def test_the_migrations_leave_a_clean_catalogue(database: DatabaseUrls) -> None:
    """Zero findings; a well-made table and an invoker's view add none."""
    with psycopg.connect(database.owner) as connection:
        assert catalogue_findings(connection) == ()
        connection.execute(GOOD.encode())
        connection.execute("CREATE VIEW th.seen WITH (security_invoker=true) AS SELECT * FROM th.planted")
        assert catalogue_findings(connection) == ()


def test_each_planted_fault_is_found(database: DatabaseUrls) -> None:
    """Planted in a transaction of its own, and rolled back."""
    with psycopg.connect(database.owner) as connection:
        for finding, fault in FAULTS:
            with connection.transaction(force_rollback=True):
                connection.execute(fault.encode())
                found = catalogue_findings(connection)
            assert [line for line in found if line.endswith(finding)], (finding, fault, found)
        assert catalogue_findings(connection) == ()


@pytest.mark.parametrize("table", ["calls", "ledger_entries"])
def test_the_ledgers_rows_cannot_be_changed_even_by_its_owner(database: DatabaseUrls, table: str) -> None:
    """No grant for the application, and a trigger for those who need none."""
    with psycopg.connect(database.app, autocommit=True) as connection:
        for statement in (f"UPDATE th.{table} SET tenant_id = tenant_id", f"DELETE FROM th.{table}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    fill = {
        "calls": 'SELECT th.settle_batch(\'[{"tenant_id": "00000000-0000-7000-8000-000000000001", "call_id":'
        ' "00000000-0000-7000-8000-000000000002", "started_ms": 1, "outcome": "refused"}]\')',
        "ledger_entries": "INSERT INTO th.ledger_entries (tenant_id, window_id, entry_id, kind, amount_nano_usd)"
        " VALUES ('00000000-0000-7000-8000-000000000001', 'w', '00000000-0000-7000-8000-000000000002', 'grant', 1)",
    }
    with psycopg.connect(database.owner, autocommit=True) as connection:
        connection.execute(fill[table].encode())
        for statement in (f"UPDATE th.{table} SET tenant_id = tenant_id", f"DELETE FROM th.{table}"):
            with pytest.raises(psycopg.Error, match="only ever appended"):
                connection.execute(statement.encode())
