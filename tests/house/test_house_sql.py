"""SQL is where it is looked for, says why it exists, and is bound to a tenant."""

from __future__ import annotations

import pytest

from house import sql
from house.ratchet import demand, overlooked
from house.source import parse, product_sources, project_files, read

LANDED = "tests/house/migrations.sha256"
GOOD = "-- name: get_call\n-- One call by its key.\nSELECT outcome\nFROM th.calls\nWHERE tenant_id = %(tenant_id)s\n"


def statement_files() -> list[str]:
    """Files of named statements."""
    return [path for path in project_files() if path.endswith(".sql") and not path.startswith(sql.MIGRATIONS)]


def test_there_is_no_sql_in_python() -> None:
    """No string of the product reads as SQL."""
    found = [finding for source in product_sources() for finding in sql.sql_in_python(source)]
    demand(found, overlooked("sql_in_python"))


def test_no_landed_migration_was_edited() -> None:
    """Each is byte for byte what databases out there were made with; a new one adds its line to the table."""
    paths = [path for path in project_files() if path.startswith(sql.MIGRATIONS) and path.endswith(".sql")]
    found = sql.edited_migrations({path.removeprefix(sql.MIGRATIONS): read(path) for path in paths}, read(LANDED))
    assert list(found) == []


def test_statements_are_named_and_bound_to_a_tenant() -> None:
    """Each has its name, a line that says why, and `tenant_id` or the mark of an operator's statement."""
    found = [finding for path in statement_files() for finding in sql.bad_statements(path, read(path))]
    demand(found, overlooked("statements"))


def test_statements_have_a_caller() -> None:
    """The name of each statement stands in the Python files of the product."""
    python = "\n".join(source.text for source in product_sources())
    named = [
        (path, one.name)
        for path in statement_files()
        if path.startswith("src/tollhouse/")
        for one in sql.statements(read(path))[1]
    ]
    # A file of checks is run as a whole, statement by statement.
    assert [pair for pair in named if not pair[0].endswith("/lint.sql") and f'"{pair[1]}"' not in python] == []


def test_migrations_are_numbered_without_gaps() -> None:
    """Named NNNN_pre_words.sql or NNNN_post_words.sql, from 0001 on."""
    paths = [path for path in project_files() if path.startswith(sql.MIGRATIONS) and path.endswith(".sql")]
    demand(sql.bad_migrations(paths), overlooked("migrations"))


def test_sql_in_a_string_is_found_and_prose_is_not() -> None:
    """Control: statements in plain and formatted strings; not docstrings, not sentences that begin alike."""
    planted = 'a = "SELECT 1 FROM x"\nb = f"DELETE FROM {table}"\nc = "insert into t values (1)"\n'
    assert len(list(sql.sql_in_python(parse("a.py", planted)))) == 3
    prose = '"""SELECT is described here."""\na = "Select a key from the list."\nb = "Update"\n'
    assert list(sql.sql_in_python(parse("a.py", prose))) == []


@pytest.mark.parametrize(
    "planted",
    [
        GOOD.replace("tenant_id", "team"),
        GOOD.replace("-- One call by its key.\n", ""),
        GOOD.replace("FROM", "from"),
        GOOD + GOOD,
        "SELECT 1;\n" + GOOD,
        "SELECT 1;\n",
    ],
)
def test_a_bad_statement_is_found(planted: str) -> None:
    """Control: without a tenant, without a why, in lower case, twice, before the first name, without any name."""
    assert list(sql.bad_statements("a.sql", GOOD)) == []
    assert list(sql.bad_statements("a.sql", planted)) != []


def test_an_operators_statement_needs_no_tenant_but_a_reason() -> None:
    """Control: the mark replaces the tenant, and is not itself the line that says why."""
    why = "-- The snapshot holds every tenant.\n"
    marked = f"-- name: all_keys\n-- scope: operator\n{why}SELECT key_id FROM th.gateway_keys\n"
    assert list(sql.bad_statements("a.sql", marked)) == []
    assert len(list(sql.bad_statements("a.sql", marked.replace(why, "")))) == 1


def test_a_gap_in_the_migrations_is_found() -> None:
    """Control: a missing number, a double one, and a name that does not say when it runs."""
    assert list(sql.bad_migrations(["m/0001_pre_a.sql", "m/0002_post_b.sql"])) == []
    assert len(list(sql.bad_migrations(["m/0001_pre_a.sql", "m/0003_pre_b.sql"]))) == 1
    assert len(list(sql.bad_migrations(["m/0001_pre_a.sql", "m/0001_pre_b.sql"]))) == 1
    assert len(list(sql.bad_migrations(["m/0001_a.sql"]))) == 1


def test_an_edited_migration_is_found() -> None:
    """Control: one as it landed, one edited, one without a line, one that is gone."""
    same = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    table = f"{same}  0001_pre_a.sql\n{same}  0002_pre_b.sql\n{same}  0004_pre_d.sql\n"
    found = sql.edited_migrations({"0001_pre_a.sql": "a", "0002_pre_b.sql": "b", "0003_pre_c.sql": "a"}, table)
    assert [finding.key for finding in found] == ["0002_pre_b.sql", "0003_pre_c.sql", "0004_pre_d.sql"]
