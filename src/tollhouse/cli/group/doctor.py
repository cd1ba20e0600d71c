"""`tollhouse doctor`: says what is wrong and how to mend it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from tollhouse.cli.command import DONE, FAILED, Everywhere, command, remark, settings_of
from tollhouse.cli.output import print_json, print_text
from tollhouse.kernel.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tollhouse.bootstrap.doctor import Finding


def attach(application: typer.Typer) -> None:
    """Adds the command."""
    command(application, "doctor", Everywhere)(examine_installation)


def examine_installation(options: Everywhere) -> int:
    """Say what is wrong and how to mend it; exits 1 if anything is broken."""
    from tollhouse.bootstrap.doctor import Grade

    findings = _findings(options)
    if options.json:
        for finding in findings:
            print_json(finding)
    else:
        _print(findings)
    return FAILED if any(finding.grade is Grade.BROKEN for finding in findings) else DONE


def _findings(options: Everywhere) -> Sequence[Finding]:
    from tollhouse.bootstrap.doctor import Finding, Grade, examine

    try:
        settings = settings_of(options)
    except ConfigError as error:
        mend = "mend that value: nothing else could be looked at"
        return [Finding(check="settings", grade=Grade.BROKEN, text=str(error), mend=mend)]
    return examine(settings, datetime.now(UTC), remark)


def _print(findings: Sequence[Finding]) -> None:
    from tollhouse.bootstrap.doctor import Grade

    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        print_text(f"{finding.grade.value:<8} {finding.check:<{width}}  {finding.text}")
        if finding.mend is not None:
            print_text(f"{'':<8} {'':<{width}}  -> {finding.mend}")
    count = {grade: sum(finding.grade is grade for finding in findings) for grade in Grade}
    print_text(f"{count[Grade.BROKEN]} broken, {count[Grade.WARNING]} warning(s), {count[Grade.OK]} ok")
