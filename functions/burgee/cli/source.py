"""Reads a flag file for commands: checks it, runs its tests, and lists every problem."""

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
    """The source, the number of tests run, and all problems. Tests run only if there are no other errors."""
    source = Source(require_file(path))
    return source, *examine_source(source)


def examine_source(source: Source) -> tuple[int, list[Problem]]:
    """The number of a source's tests run, and all its problems."""
    problems = check(source)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return 0, problems
    ran, failures = run_tests(source)
    return ran, problems + failures


def releasable(path: Path, environment: str | None) -> tuple[Source, Snapshot]:
    """Compiles a file for release. Raises FlagFileError with all errors."""
    source = Source(require_file(path))
    return source, compile_releasable(source, environment)


def compile_releasable(source: Source, environment: str | None) -> Snapshot:
    """The snapshot of a source for release. Raises FlagFileError with all errors."""
    _, problems = examine_source(source)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise FlagFileError(errors)
    environment = overlay(source, environment)
    require_environment(source, environment)
    return compile_source(source, environment)


def overlay(source: Source, environment: str | None) -> str | None:
    """The environment of a file that a name means: none for `default`, which is a store's word for that."""
    return None if environment == Tenant().environment not in source.model.environments else environment


def everywhere(source: Source, environment: str | None) -> str:
    """The end of the message of an edit that is for all environments of the file; empty for an edit of one."""
    names = source.model.environments
    return f" for all environments: {', '.join(names)}" if names and environment is None else ""
