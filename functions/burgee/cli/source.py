"""A flag file as commands want it: read, checked, its own tests run, every problem in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.cli.options import require_file
from burgee.errors import FlagFileError
from burgee.flagfile.checks import check
from burgee.flagfile.compile import compile_source, require_environment
from burgee.flagfile.flag_tests import run_tests
from burgee.flagfile.source import Source
from burgee.model import Severity
from burgee.stores import Tenant

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.model import Problem, Snapshot


def examine(path: Path) -> tuple[Source, int, list[Problem]]:
    """The source, how many of its tests ran, and all its problems. Tests run only where nothing else is wrong."""
    source = Source(require_file(path))
    return source, *examine_source(source)


def examine_source(source: Source) -> tuple[int, list[Problem]]:
    """How many tests of a source ran, and all its problems."""
    problems = check(source)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return 0, problems
    ran, failures = run_tests(source)
    return ran, problems + failures


def releasable(path: Path, environment: str | None) -> tuple[Source, Snapshot]:
    """A file that may be released, compiled; FlagFileError with everything that speaks against it."""
    source = Source(require_file(path))
    return source, compile_releasable(source, environment)


def compile_releasable(source: Source, environment: str | None) -> Snapshot:
    """The snapshot of a source that may be released; FlagFileError with everything that speaks against it.

    `default` names no environment, as it does in a store.
    """
    _, problems = examine_source(source)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise FlagFileError(errors)
    if environment == Tenant().environment and environment not in source.model.environments:
        environment = None
    require_environment(source, environment)
    return compile_source(source, environment)
