"""The tree is laid out as the import order and the mirror of tests say, and its locks agree."""

from __future__ import annotations

from house import layers, locks, mirror
from house.documents import dependency_names
from house.ratchet import demand, overlooked
from house.source import parse, product_sources, project_files, python_sources, read

LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")


def test_every_room_has_its_place_in_the_import_order() -> None:
    """What import-linter does not know it does not check."""
    found = layers.unplaced_rooms(project_files(), read("pyproject.toml"))
    demand(found, overlooked("layers"))


def test_tests_mirror_the_source() -> None:
    """Every file with logic has a test in the folder of its room."""
    tests = {one.path: mirror.imported_modules(one) for one in python_sources() if one.path.startswith("tests/")}
    found = [finding for source in product_sources() for finding in mirror.untested(source, tests)]
    demand(found, overlooked("mirror"))


def test_locks_pin_everything_with_its_hash_and_name_no_host() -> None:
    """Each line is a pin or a hash; where packages come from is the installer's business."""
    found = [finding for path in LOCKS for finding in locks.bad_lock(path, read(path))]
    demand(found, overlooked("locks"))


def test_locks_agree_with_each_other() -> None:
    """All three are installed into one environment."""
    pairs = [(LOCKS[0], LOCKS[1]), (LOCKS[0], LOCKS[2]), (LOCKS[1], LOCKS[2])]
    found = [finding for first, second in pairs for finding in locks.disagreeing(read(first), read(second))]
    assert found == []


def test_the_runtime_needs_few_distributions() -> None:
    """At most 40, every direct one pinned, and the list the same as the project's."""
    pyproject, lock = read("pyproject.toml"), read("requirements.lock")
    assert len(locks.pins(lock)) <= locks.RUNTIME_DISTRIBUTIONS_MAX
    assert list(locks.missing_pins(dependency_names(pyproject), lock)) == []
    wanted = [line.strip().strip('",') for line in pyproject.split("dependencies = [")[1].split("]\n")[0].split("\n")]
    assert locks.requirements(read("requirements.in")) == sorted(filter(None, wanted))


def test_a_room_without_a_place_is_found() -> None:
    """Control: a room that is not listed, and a layer that is not there."""
    project = '[tool.importlinter]\n[[tool.importlinter.contracts]]\nlayers = ["tollhouse.a | tollhouse.b"]\n'
    files = ["src/tollhouse/a/model.py", "src/tollhouse/c.py", "src/tollhouse/__main__.py"]
    assert [finding.key for finding in layers.unplaced_rooms(files, project)] == ["tollhouse.c", "tollhouse.b"]


def test_a_file_without_a_test_is_found() -> None:
    """Control: named after it or imported by name in its room's folder; elsewhere does not count."""
    source = parse("src/tollhouse/wire/sse.py", "def split(): return 1\n")
    assert len(list(mirror.untested(source, {}))) == 1
    assert list(mirror.untested(source, {"tests/wire/test_sse.py": ()})) == []
    assert list(mirror.untested(source, {"tests/wire/test_other.py": {"tollhouse.wire.sse"}})) == []
    assert len(list(mirror.untested(source, {"tests/gateway/test_a.py": {"tollhouse.wire.sse"}}))) == 1
    declared = parse("src/tollhouse/wire/base.py", "class P:\n def m(self):\n  '''Says.'''\n")
    assert list(mirror.untested(declared, {})) == []


def test_a_bad_lock_is_found() -> None:
    """Control: no hash, no exact version, a host."""
    good = "rich==15.0.0 \\\n    --hash=sha256:00\n"
    assert list(locks.bad_lock("l", good)) == []
    assert len(list(locks.bad_lock("l", "rich==15.0.0\n"))) == 1
    assert len(list(locks.bad_lock("l", "rich>=15\n"))) == 1
    assert len(list(locks.bad_lock("l", good + "typer==1 \\\n    --hash=sha256:00  # https://example.com\n"))) == 1


def test_locks_that_disagree_are_found() -> None:
    """Control: the same distribution in two versions; a direct dependency that is not pinned."""
    assert [finding.key for finding in locks.disagreeing("a==1\nb==2\n", "a==1\nb==3\n")] == ["b"]
    assert [finding.key for finding in locks.missing_pins(["a", "c"], "a==1\n")] == ["c"]
