"""The table of routes: for each path and method the handler, the required permission and the documentation.

A route is declared once, in the module that answers it: our own routes in a list of `Route`s, FastAPI's in its
decorator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from burgee.web.exchange import Need

if TYPE_CHECKING:
    from collections.abc import Iterable

    from burgee.web.exchange import Match, Route

    Found: TypeAlias = tuple[Route | None, tuple[str, ...], Need]

_BEGINNING = 4
"""Characters of a path that select its candidates; no parameter begins before."""
METHODS = ("DELETE", "GET", "HEAD", "POST", "PUT")


class Routes:
    """The routes of a service."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.all = tuple(routes)
        self._paths: dict[str, list[tuple[Match, dict[str, Route]]]] = {}
        """Matchers and routes by method, under the first characters of a path, which are cheaper than a segment."""
        needs: dict[str, set[Need]] = {}
        written: dict[str, dict[str, Route]] = {}
        for route in self.all:
            needs.setdefault(_first(route.path), set()).add(route.need)
            known = written.get(route.path)
            if known is None:
                if "{" in route.path[:_BEGINNING]:
                    raise ValueError(f"{route.path}: a parameter begins too early")
                known = written[route.path] = {}
                alike = self._paths.setdefault(route.path[:_BEGINNING], [])
                alike.append((route.match or _by_segments(route.path), known))
            known[route.method] = route
            if route.method == "GET" and route.answer is not None:
                known["HEAD"] = route
        self._needs: dict[str, Need] = {}
        """What unknown paths and methods require, by first segment: what all routes there that need a key require."""
        for first, found in needs.items():
            required = found - {Need.NOTHING} or found
            if len(required) == 1:
                (self._needs[first],) = required

    def find(self, method: str, path: str, raw: bytes | None = None) -> Found:
        """The permission and route; for an unknown path or method, the permission of its neighbours, or read or
        write.
        """
        for match, routes in self._paths.get(path[:_BEGINNING], ()):
            arguments = match(path, raw)
            if arguments is not None:
                route = routes.get(method)
                if route is not None:
                    return route, arguments, route.need
        need = self._needs.get(_first(path)) or (Need.READ if method in {"GET", "HEAD"} else Need.WRITE)
        return None, (), need

    def methods(self, path: str, raw: bytes | None = None) -> list[str]:
        """The methods of a path; empty if there is no such path."""
        paths = self._paths.get(path[:_BEGINNING], ())
        known = [routes for match, routes in paths if match(path, raw) is not None]
        return [method for method in METHODS if any(method in routes for routes in known)]


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
