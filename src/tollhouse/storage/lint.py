"""Catalogue lint: what must hold of every object in the schema, asked of the database itself after each migration.

Rules: they stand in `lint.sql`, one statement each, named after the finding. A table is a tenant table unless it is on
the short list of operator tables here.
Never: changes anything.
"""

from __future__ import annotations

from tollhouse.kernel.errors import StorageError
from tollhouse.storage.postgres import Connection, load_statements

OPERATOR_TABLES = ["migrations", "deployment", "configuration_version"]


def catalogue_findings(connection: Connection) -> tuple[str, ...]:
    """What is wrong, a sentence each: `th.<object> <finding>`."""
    found = set()
    for name, statement in load_statements("tollhouse.storage", "lint.sql").items():
        rows = connection.execute(statement, {"operator_tables": OPERATOR_TABLES}).fetchall()
        found |= {f"th.{row[0]} {name.replace('_', ' ')}" for row in rows}
    return tuple(sorted(found))


def check_catalogue(connection: Connection) -> None:
    """StorageError with all findings if there is any."""
    findings = catalogue_findings(connection)
    if findings:
        raise StorageError("the database's catalogue is not as it must be: " + "; ".join(findings))
