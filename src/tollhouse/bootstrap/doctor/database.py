"""The database: there, current, with its walls up and its roles right."""

from __future__ import annotations

from collections.abc import Callable

from tollhouse.bootstrap.doctor.model import Finding, broken, ok, warning
from tollhouse.bootstrap.local import open_place
from tollhouse.kernel.errors import StorageError
from tollhouse.settings import Settings
from tollhouse.storage.attached import has_database
from tollhouse.storage.health import DatabaseHealth, database_health

CHECK = "database"
CLOCK_CHECK = "clock"
CLOCK_WARNING_S = 2.0
CLOCK_BROKEN_S = 60.0
MIGRATE = "run 'tollhouse db migrate'; 'tollhouse up' does it too"

EMBEDDED_MEND = "see the message; the embedded database's log is database.log in the data directory"
OWN_MEND = "look at DATABASE_URL: host, port, database, user and password, and whether that server lets this host in"


def database_findings(settings: Settings, say: Callable[[str], None]) -> list[Finding]:
    """Asks the database, for which an embedded one that does not run is started for a moment."""
    try:
        if settings.database_url is None and not has_database(settings.data_dir):
            return [warning(CHECK, "there is no database yet", "'tollhouse up' makes it")]
        with open_place(settings, say) as place:
            health = database_health(place.owner_url, place.secret)
            kind = "embedded" if place.embedded else "of your own, by DATABASE_URL"
    except StorageError as error:
        return [broken(CHECK, str(error), EMBEDDED_MEND if settings.database_url is None else OWN_MEND)]
    return health_findings(health, kind)


def health_findings(health: DatabaseHealth, kind: str) -> list[Finding]:
    """What a look at the database means. Pure."""
    text = f"PostgreSQL {health.version}, {kind}"
    found = [broken(CHECK, f"{text}, is too old", "use PostgreSQL 15 or newer") if health.too_old else ok(CHECK, text)]
    found.append(_migrations(health))
    if not health.pending:
        found += _walls(health)
    return [*found, _clock(health.clock_ahead_s)]


def _migrations(health: DatabaseHealth) -> Finding:
    if health.foreign:
        names = ", ".join(health.foreign)
        mend = "run the version of Tollhouse that made the database, or a newer one"
        return broken("migrations", f"the database has migrations that this version does not know: {names}", mend)
    if health.pending:
        return broken("migrations", f"not applied: {', '.join(health.pending)}", MIGRATE)
    return ok("migrations", "current")


def _walls(health: DatabaseHealth) -> list[Finding]:
    restore = "somebody changed the schema by hand: undo that, or restore a backup"
    walls = [broken("row security", finding, restore) for finding in health.catalogue]
    roles = [broken("roles", trouble, MIGRATE) for trouble in health.roles]
    return [
        *(walls or [ok("row security", "every tenant table is walled off")]),
        *(roles or [ok("roles", "the application and the gateway own nothing and are bound by row security")]),
    ]


def _clock(ahead_s: float) -> Finding:
    text = f"the database's clock and this host's are {abs(ahead_s):.1f} s apart"
    mend = "let both hosts set their clocks by NTP"
    if abs(ahead_s) >= CLOCK_BROKEN_S:
        return broken(CLOCK_CHECK, text, mend)
    return warning(CLOCK_CHECK, text, mend) if abs(ahead_s) >= CLOCK_WARNING_S else ok(CLOCK_CHECK, text)
