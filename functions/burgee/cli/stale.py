"""Which settled flags nothing uses any more: no code names them, and nothing has asked for them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from burgee.accessors.modules import functions, is_generated
from burgee.cli.git.files import contents
from burgee.cli.usage import usage_since
from burgee.errors import Refused
from burgee.flagfile.compile import compile_source
from burgee.plurals import counted
from burgee.review.code_references import Reference, references

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from burgee.cli.stores import StoreOptions
    from burgee.events.usage_report import UsageReport
    from burgee.flagfile.source import Source
    from burgee.review.code_references import Pattern

DAY = 86_400
_WORD = re.compile(r"\w+")


class Named(NamedTuple):
    """Where code names flags, and where it builds a name at run time."""

    references: Sequence[Reference]
    patterns: Sequence[Pattern]

    def require_none_of(self, flag: str) -> None:
        """Raises Refused with the first place that names a flag, or may."""
        named = (one for one in self.references if one.flag == flag)
        built = (one for one in self.patterns if re.fullmatch(one.expression, flag))
        place = next(named, None) or next(built, None)
        if place is not None:
            where = f"{place.file}:{place.line}:{place.column}"
            raise Refused("named", f"{where} names {flag}; `burgee remove {flag}` puts its answer into the code")


def named_in(paths: Iterable[Path], source: Source) -> Named:
    """Where files and folders with code name flags; the flag file itself is none of them."""
    own = {Path(document.file).resolve() for document in source.documents}
    files = [one for path in paths for one in contents(path) if one[0].resolve() not in own]
    modules = [(file.stem, functions(text)) for file, text in files if is_generated(text)]
    found: list[Reference] = []
    patterns: list[Pattern] = []
    for file, text in files:
        if is_generated(text):  # it names every flag, whether or not code asks for it
            continue
        named, made = references(str(file), text, source.model.flags)
        found += [*named, *_called(str(file), text, modules)]
        patterns += made
    return Named(found, patterns)


def _called(file: str, text: str, modules: Sequence[tuple[str, Mapping[str, str]]]) -> Iterator[Reference]:
    """Where a file that names generated modules names their functions."""
    words = set(_WORD.findall(text))
    called = {name: flag for stem, own in modules if stem in words for flag, name in own.items()}
    if called.keys() & words:
        for number, line in enumerate(text.splitlines(), 1):
            for match in _WORD.finditer(line):
                if match.group() in called:
                    yield Reference(called[match.group()], file, number, match.start() + 1, asked=False)


class Environments(NamedTuple):
    """The usage in each environment of a file; None where nothing is recorded."""

    days: int
    reports: dict[str, UsageReport | None]

    def proof(self, flag: str, *, ignore_bulk: bool) -> str:
        """That nothing asks for a flag, in words. Raises Refused if something does, or if that is not known."""
        known = {name: report for name, report in self.reports.items() if report is not None}
        for name, report in known.items():
            used = report.flags.get(flag)
            where = "" if name == "default" else f" in {name}"
            if used is not None and used.named.answers:
                keys = ", ".join(key for key in used.keys if key)
                by = f" by {keys}" if keys else ""
                times = f"{counted(used.named.answers, 'time')} in {counted(self.days, 'day')}"
                raise Refused("asked-for", f"{flag} is asked for{where}: {times}{by}")
            if used is not None and used.bulk.answers and not ignore_bulk:
                message = f"{flag} is in answers to callers of all flags{where}, who may use it"
                raise Refused("asked-for", f"{message}; --ignore-bulk if they do not")
        short = [name for name, report in known.items() if not report.goes_back(self.days)]
        if short or not known:
            raise Refused(
                "not-recorded", f"usage is not recorded for {self.days} days yet: whether {flag} is asked for"
            )
        missing = sorted(self.reports.keys() - known.keys())
        also = f"; not recorded: {', '.join(missing)}" if missing else ""
        bulk = " by name" if ignore_bulk else ""
        return f"nothing has asked for it{bulk} in {self.days} days ({', '.join(known)}{also})"


def usage_everywhere(where: StoreOptions, source: Source, days: int, events: str | None) -> Environments:
    """The usage in each environment of a file; an hour more than the days, because hours are whole."""
    found: dict[str, UsageReport | None] = {}
    for name in [*source.model.environments] or [where.environment or "default"]:
        environment = name if source.model.environments else None
        snapshot = compile_source(source, environment)
        report = usage_since(where._replace(environment=name), snapshot, 0, days * DAY + 3_600, events)
        found[name] = report if report.coverage.first is not None else None
    return Environments(days, found)
