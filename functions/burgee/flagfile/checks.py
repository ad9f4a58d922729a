"""Every problem of a flag file: syntax, flags and segments, experiments and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.evaluation.definition import requirements, variants
from burgee.flagfile.definition_checks import Surroundings, snapshot_faults
from burgee.flagfile.environments import laid_over
from burgee.flagfile.experiment_checks import check_experiment, check_holdout
from burgee.flagfile.fields import dump
from burgee.flagfile.guard_checks import start_faults
from burgee.flagfile.suggestions import near
from burgee.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.flagfile.flag_grammar import FlagTest
    from burgee.flagfile.source import Source
    from burgee.model import Definition, Fault, Place


class _Flags:
    """The flags of a source as JSON values, as written and per environment."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.written = {name: dump(flag) for name, flag in source.model.flags.items()}
        self.overlays = {name: flag.get("environments", {}) for name, flag in self.written.items()}
        named = (environment for overlays in self.overlays.values() for environment in overlays)
        self.environments: list[str | None] = [None, *dict.fromkeys([*source.model.environments, *named])]

    def under(self, environment: str | None) -> dict[str, Definition]:
        """By name."""
        return {name: laid_over(flag, environment) for name, flag in self.written.items()}

    def overlaid(self, environment: str | None) -> list[str]:
        """The flags to check in an environment: those that differ there, and those that require them."""
        if environment is None:
            return list(self.written)
        differ = {name for name, overlays in self.overlays.items() if environment in overlays}
        return [name for name in self.written if name in differ or not differ.isdisjoint(self._required(name))]

    def _required(self, name: str) -> set[str]:
        return {entry["flag"] for _, entry in requirements(self.written[name])}

    def surroundings(self, environment: str | None) -> Surroundings:
        """The snapshot around a definition; as written, a flag may use the variants of any environment."""
        model, flags = self.source.model, self.under(environment)
        more: dict[str, list[str]] = {}
        if environment is None:
            for name, overlays in self.overlays.items():
                more[name] = [v for one in overlays for v in variants(laid_over(self.written[name], one))]
        snapshot = {
            "flags": flags,
            "segments": {name: segment.condition(name) for name, segment in model.segments.items()},
            "holdouts": model.holdouts,
            "metrics": {name: dump(metric) for name, metric in model.metrics.items()},
        }
        return Surroundings(snapshot, self.source.homes.keys(), more)


def check(source: Source) -> list[Problem]:
    """Every problem of a file, including syntax, in file order."""
    found = list(source.problems)
    flags = _Flags(source)
    for environment in flags.environments:
        around, names = flags.surroundings(environment), flags.overlaid(environment)
        faults = [*snapshot_faults(around, None if environment is None else names)]
        faults += [fault for name in names for fault in start_faults(name, around.flags[name])]
        found += [_problem(source, fault, flags.overlays, environment) for fault in faults]
    for name, flag in source.model.flags.items():
        found += _environments(source, name, flags.overlays[name])
        found += check_experiment(source, name, flag)
        for index, test in enumerate(flag.tests or ()):
            seen = [test.environment] if test.environment else [None, *flags.overlays[name]]
            found += _test(source, name, index, test, [laid_over(flags.written[name], one) for one in seen])
    for name, holdout in source.model.holdouts.items():
        found += check_holdout(source, name, holdout)
    order = {document.file: index for index, document in enumerate(source.documents)}
    found.sort(key=lambda problem: (order.get(problem.place.file, -1), problem.place))
    return list({(one.place, one.code, one.message): one for one in reversed(found)}.values())[::-1]


def _problem(
    source: Source, fault: Fault, overlays: Mapping[str, Mapping[str, Definition]], environment: str | None
) -> Problem:
    """Locates a definition's fault in the file, possibly inside an environment."""
    section, name, *path = fault.path
    if section == "segments":
        path = ["when", *path]
    elif environment is not None and path and path[0] in overlays[str(name)].get(environment, {}):
        path = ["environments", environment, *path]
    place = source.place(str(section), str(name), *path, key=fault.at_key)
    return Problem(place, fault.code, fault.message, fault.hint)


def _environments(source: Source, name: str, overlays: Mapping[str, Definition]) -> Iterator[Problem]:
    for environment in overlays:
        if environment not in source.model.environments:
            place = source.place("flags", name, "environments", environment, key=True)
            yield _unknown_environment(source, place, environment)


def _test(source: Source, name: str, index: int, test: FlagTest, laid: list[Definition]) -> Iterator[Problem]:
    """`laid` is the flag in each environment in which the test runs."""
    if test.environment is not None and test.environment not in source.model.environments:
        place = source.place("flags", name, "tests", index, "environment")
        yield _unknown_environment(source, place, test.environment)
    known = list(dict.fromkeys(variant for flag in laid for variant in variants(flag)))
    if test.expect is not None and test.expect not in known:
        hint = near(test.expect, known) or f"the flag has {', '.join(known)}"
        place = source.place("flags", name, "tests", index, "expect")
        yield Problem(place, "unknown-variant", f"{name} has no variant {test.expect!r}", hint)


def _unknown_environment(source: Source, place: Place, environment: str) -> Problem:
    hint = near(environment, source.model.environments) or "list it under the top-level `environments`"
    return Problem(place, "unknown-environment", f"there is no environment {environment!r}", hint)
