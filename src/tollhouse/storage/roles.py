"""Roles: who may do what in the database.

Rules: three group roles without login, shared by every Tollhouse database of a cluster - `tollhouse_app` (the control
plane and the command line, bound by row security), `tollhouse_gateway` (functions only), `tollhouse_ledger` (owns
those functions) - and two login roles of this database alone, members of app and gateway. Making them is idempotent
and stands other databases of the cluster doing the same at that moment.
Never: sends a password in the clear, so that no server log can hold one; changes the password of
a role whose secret is another's.
"""

from __future__ import annotations

import random
import time

import psycopg
from psycopg import sql

from tollhouse.kernel.errors import StorageError
from tollhouse.kernel.secret import Secret
from tollhouse.storage.postgres import Connection, load_statements, login_role
from tollhouse.storage.secret_file import role_password, secret_fingerprint

APP = "tollhouse_app"
GATEWAY = "tollhouse_gateway"
LEDGER = "tollhouse_ledger"
ATTEMPTS = 20

_statements = load_statements("tollhouse.storage")


def ensure_group_roles(connection: Connection) -> None:
    """The group roles, with the owner a member of the ledger's. Needs autocommit."""
    for role in (APP, GATEWAY, LEDGER):
        if not _role_exists(connection, role):
            _run_shared(connection, sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    # From version 16 on the maker of a role is a member that may pass it on, but not use it.
    ability = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    able = connection.execute(_statements["has_ability"], {"role": LEDGER, "ability": ability}).fetchone()
    if not able or not able[0]:
        _run_shared(connection, sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(LEDGER)))


def ensure_login_roles(connection: Connection, secret: Secret) -> None:
    """This database's login roles, and nobody else's right to connect. Needs autocommit and the schema.

    StorageError if the database belongs to another secret.
    """
    row = connection.execute(_statements["deployment"]).fetchone()
    assert row is not None
    database, known = row[0], row[1]
    fingerprint = secret_fingerprint(secret)
    if known is not None and bytes(known) != fingerprint:
        raise StorageError(
            "this database belongs to another data directory: copy the file `database-secret` from there, "
            "or, if it is lost, run `UPDATE th.deployment SET secret_fingerprint = NULL` as the owner and start again"
        )
    for job, group in (("app", APP), ("gateway", GATEWAY)):
        _ensure_login_role(connection, login_role(job, database), group, secret, renew=known is None)
    _close_to_others(connection, database)
    connection.execute(_statements["claim_deployment"], {"fingerprint": fingerprint})


def _ensure_login_role(connection: Connection, role: str, group: str, secret: Secret, *, renew: bool) -> None:
    exists = _role_exists(connection, role)
    if not exists or renew:
        verifier = connection.pgconn.encrypt_password(
            role_password(secret, role).encode(), role.encode(), b"scram-sha-256"
        ).decode()
        verb = sql.SQL("ALTER ROLE" if exists else "CREATE ROLE")
        _run_shared(
            connection,
            sql.SQL("{} {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), sql.Literal(verifier)),
        )
    member = connection.execute(_statements["is_member"], {"role": role, "group": group}).fetchone()
    if not member or not member[0]:
        _run_shared(connection, sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(role)))


def _close_to_others(connection: Connection, database: str) -> None:
    """Group roles are the cluster's: without this, the login of one Tollhouse could read another's database."""
    name = sql.Identifier(database)
    _run_shared(connection, sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for job in ("app", "gateway"):
        role = sql.Identifier(login_role(job, database))
        _run_shared(connection, sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, role))


def _role_exists(connection: Connection, role: str) -> bool:
    return connection.execute(_statements["role_exists"], {"role": role}).fetchone() is not None


def _run_shared(connection: Connection, statement: sql.Composed) -> None:
    """Roles lie in shared catalogues, where a concurrent change is an error rather than a wait; so try again."""
    for attempt in range(ATTEMPTS):
        try:
            connection.execute(statement)
            return
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            return  # another database's migration was first
        except psycopg.errors.InternalError_:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - spreads retries, guards nothing
        except psycopg.errors.InsufficientPrivilege as error:
            raise StorageError(
                f"the owner of the database may not manage roles ({error.diag.message_primary}): grant it CREATEROLE, "
                f"and, if another Tollhouse made this cluster's roles, {APP}, {GATEWAY}, {LEDGER} WITH ADMIN OPTION"
            ) from error
