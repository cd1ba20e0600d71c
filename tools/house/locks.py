"""Locks: every package is pinned with its hashes, from no named host, and the lists agree with each other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from house.source import Finding

RUNTIME_DISTRIBUTIONS_MAX = 40
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
REQUIREMENT = re.compile(r"^[A-Za-z0-9][^#\n]*?(?=\s*(?:#|$))", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    """Distribution and version of each pin."""
    return dict(PIN.findall(lock))


def bad_lock(path: str, lock: str) -> Iterator[Finding]:
    """Pins without a hash, lines that are neither pin nor hash, hosts and options."""
    for block in re.split(r"(?m)^(?=\S)", lock):
        if block.strip() and not PIN.match(block):
            yield Finding(key=path, says=f"no pin: {block.split()[0]}")
        elif block.strip() and "--hash=sha256:" not in block:
            yield Finding(key=path, says=f"no hash: {block.split()[0]}")
    if "://" in lock or re.search(r"--(?:extra-)?index-url|--find-links|--trusted-host", lock):
        yield Finding(key=path, says="names a host")


def requirements(text: str) -> list[str]:
    """The requirement lines of an .in file, sorted."""
    return sorted(line.strip() for line in REQUIREMENT.findall(text))


def disagreeing(first: str, second: str) -> Iterator[Finding]:
    """Distributions that two locks pin to different versions, as one environment cannot have both."""
    left, right = pins(first), pins(second)
    for name in sorted(left.keys() & right.keys()):
        if left[name] != right[name]:
            yield Finding(key=name, says=f"pinned to {left[name]} and to {right[name]}")


def missing_pins(wanted: Collection[str], lock: str) -> Iterator[Finding]:
    """Direct dependencies that the lock does not pin."""
    pinned = {name.lower() for name in pins(lock)}
    for name in sorted(set(wanted) - pinned):
        yield Finding(key=name, says="a direct dependency that the lock does not pin")
