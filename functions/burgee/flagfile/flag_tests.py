"""Runs the `tests:` of flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_source
from burgee.model import Problem
from burgee.times import parse_time

if TYPE_CHECKING:
    from burgee.flagfile.source import Source


def run_tests(source: Source) -> tuple[int, list[Problem]]:
    """The number of expectations tried, and the failed ones with their place in the file."""
    ran, failures = 0, []
    environments: list[str | None] = list(source.model.environments) or [None]
    rulesets = {environment: Ruleset(compile_source(source, environment)) for environment in environments}
    for name, flag in source.model.flags.items():
        for index, test in enumerate(flag.tests or ()):
            context: dict[str, Any] = dict(test.context)
            if test.user is not None:
                context["targetingKey"] = test.user
            for environment in [test.environment] if test.environment else environments:
                ran += 1
                at = parse_time(test.at) if test.at else None
                answer = rulesets[environment].evaluate(name, context, at)
                if answer.variant != test.expect:
                    where = f" in {environment}" if environment else ""
                    message = f"{name}{where} gave {answer.variant!r} ({answer.reason}), not {test.expect!r}"
                    failures.append(Problem(source.place("flags", name, "tests", index), "test-failed", message))
    return ran, failures
