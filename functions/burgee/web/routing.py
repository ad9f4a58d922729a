"""The table of routes: for each path and method the handler, the required permission and the documentation.

A route is declared once, in the module that answers it: our own routes in a list of `Route`s, FastAPI's in its
decorator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from burgee.records import dataclass
from burgee.web.exchange import Need

if TYPE_CHECKING:
    from collections.abc import Iterable

    from burgee.web.exchange import Match, Route

    Found: TypeAlias = tuple[Route | None, tuple[str, ...], Need]

METHODS = ("DELETE", "GET", "HEAD", "POST", "PUT")


@dataclass(frozen=True, slots=True)
class _Path:
    template: str
    match: Match
    routes: dict[str, Route]


class Routes:
    """The routes of a service."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.all = tuple(routes)
        self._families: dict[str, list[_Path]] = {}
        self._needs: dict[str, Need] = {}
        for route in self.all:
            first = _first(route.path)
            family = self._families.setdefault(first, [])
            for known in family:
                if known.template == route.path:
                    break
            else:
                known = _Path(route.path, route.match or _by_segments(route.path), {})
                family.append(known)
            known.routes[route.method] = route
            if route.method == "GET" and route.answer is not None:
                known.routes["HEAD"] = route
        for first, family in self._families.items():
            needs = {route.need for path in family for route in path.routes.values()}
            if len(needs) == 1:
                (self._needs[first],) = needs

    def find(self, method: str, path: str, raw: bytes | None = None) -> Found:
        """The permission and route; for an unknown path or method, the permission of its neighbours, or read or
        write.
        """
        first = _first(path)
        for known in self._families.get(first, ()):
            arguments = known.match(path, raw)
            if arguments is not None:
                route = known.routes.get(method)
                if route is not None:
                    return route, arguments, route.need
        need = self._needs.get(first) or (Need.READ if method in {"GET", "HEAD"} else Need.WRITE)
        return None, (), need

    def methods(self, path: str, raw: bytes | None = None) -> list[str]:
        """The methods of a path; empty if there is no such path."""
        paths = [known for known in self._families.get(_first(path), ()) if known.match(path, raw) is not None]
        return [method for method in METHODS if any(method in known.routes for known in paths)]


def _first(path: str) -> str:
    return path[1:].partition("/")[0]


def _by_segments(template: str) -> Match:
    wanted = template.split("/")
    if "{" not in template:
        return lambda path, _raw: () if path == template else None

    def match(path: str, _raw: bytes | None) -> tuple[str, ...] | None:
        segments = path.split("/")
        if len(segments) != len(wanted):
            return None
        arguments = []
        for segment, pattern in zip(segments, wanted, strict=True):
            if pattern[:1] == "{":
                if not segment:
                    return None
                arguments.append(segment)
            elif segment != pattern:
                return None
        return tuple(arguments)

    return match
