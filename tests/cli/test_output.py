"""Tables and JSON."""

from __future__ import annotations

import sys

import pytest

from tollhouse.cli.output import columns, plain_table, print_json, print_table


def test_piped_tables_are_aligned_text() -> None:
    """Numbers to the right, no blanks at the ends of lines."""
    lines = plain_table(columns("NAME", ">COST", "ID"), [("a", "10", "x"), ("long", "5", "")])
    assert lines == ["NAME  COST  ID", "a       10  x", "long     5"]


def test_empty_tables_say_so_aside(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output stays empty."""
    print_table(columns("NAME"), [], "Nothing.")
    assert capsys.readouterr() == ("", "Nothing.\n")


def test_terminals_get_a_table_and_no_escapes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came from outside cannot move the cursor, nor mark up text."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(columns("NAME"), [("\x1b[2Jgone [bold]x[/bold]",)], "Nothing.")
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "[bold]x[/bold]" in shown


def test_json_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """One object, one line."""
    print_json({"a": 1})
    assert capsys.readouterr().out == '{"a":1}\n'
