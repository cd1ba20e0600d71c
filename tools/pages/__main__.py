"""`python -m pages`: writes every page that is made from the code."""

from __future__ import annotations

from pathlib import Path

from pages import PAGES

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    for name, make in PAGES.items():
        target = ROOT / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(make(), "utf-8")
        print(name)
