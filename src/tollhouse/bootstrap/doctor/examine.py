"""The whole examination, in the order in which a person would mend things."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tollhouse.bootstrap.doctor.configuration import settings_findings
from tollhouse.bootstrap.doctor.database import database_findings
from tollhouse.bootstrap.doctor.directory import directory_findings
from tollhouse.bootstrap.doctor.gateway import gateway_findings
from tollhouse.bootstrap.doctor.journals import journal_findings
from tollhouse.bootstrap.doctor.model import Finding, broken
from tollhouse.bootstrap.doctor.prices import CHECK as PRICES_CHECK
from tollhouse.bootstrap.doctor.prices import book_findings
from tollhouse.bootstrap.doctor.providers import provider_findings
from tollhouse.kernel.errors import ConfigError
from tollhouse.pricing.book_file import load_package_book
from tollhouse.settings import Settings


def examine(settings: Settings, now: datetime, say: Callable[[str], None]) -> list[Finding]:
    """Every check's findings; `now` is aware UTC, `say` hears what takes time. Raises nothing for what is broken."""
    return [
        *directory_findings(settings.data_dir),
        *settings_findings(settings),
        *database_findings(settings, say),
        *gateway_findings(settings.data_dir),
        *journal_findings(settings.data_dir),
        *_prices(now),
        *provider_findings(settings),
    ]


def _prices(now: datetime) -> list[Finding]:
    try:
        return book_findings(load_package_book(), now)
    except ConfigError as error:
        return [broken(PRICES_CHECK, str(error), "install Tollhouse again")]
