"""No parser of ours takes more than in proportion to its input, whatever stands in it.

Each is fed inputs made of one hostile piece many times, and of eight times as many: the processor time of the thread
may grow by little more than eight times. A quadratic step, in Python or in a regular expression, grows by 64.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from burgee.access.keys import named
from burgee.access.settings import wanted
from burgee.errors import BurgeeError
from burgee.evaluation.context import literal, reader
from burgee.evaluation.semver import parse_version
from burgee.events.records import RecordScope, Unacceptable, accept
from burgee.flagfile.formatter import formatted
from burgee.flagfile.yaml_reader import Document, scalar
from burgee.importers import reading
from burgee.importers.base import NoEquivalent
from burgee.importers.goff_query import Query
from burgee.importers.jsonlogic import ConditionReader
from burgee.numeric import misfit, parse_json, parse_number
from burgee.serving.serving import Serving
from burgee.times import parse_duration, parse_time
from burgee.web.evaluation_app import EVALUATION_ROUTES
from burgee.web.exchange import Exchange
from burgee.web.exposures import wants
from burgee.web.gateway import EventPath, parse_base_paths
from burgee.web.headers import request_id
from burgee.web.protection.access import network, shown
from burgee.web.protection.body import Bodies
from burgee.web.protection.cors import foreign
from burgee.web.protection.json_faults import json_fault
from burgee.web.redirects import redirect
from burgee.web.replies import holds, matches
from burgee.web.routes import ofrep, users
from burgee.web.routing import Routes
from burgee.web.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL, LARGE = 2_000, 16_000
"""Pieces of an input. A quadratic step of a nanosecond takes a quarter of a second over the large one."""
BOUND = 8 * 3
NOTHING_SECONDS = 0.02
"""Less is too little to be compared."""
TRIES = 4

PIECES = [
    '"',
    '\\"',
    "\\",
    '"\\',
    "[",
    "{",
    "(",
    "]",
    "a",
    "1",
    "0",
    ".",
    "-",
    "+",
    "_",
    " ",
    "\t",
    "\n",
    "\r\n",
    "#",
]
PIECES += [
    "/",
    "%2F",
    "%41",
    "%",
    ":",
    ";",
    "=",
    "&",
    "?",
    "*",
    "!",
    "'",
    "|",
    ">",
    "@",
    "~",
    "$",
    "\u00e9",
    "\ud83d",
]
PIECES += [
    '",',
    'W/"a",',
    "a=1&",
    "a:1,",
    "a: 1\n",
    "- ",
    "- a\n",
    "a:\n",
    "a: {",
    "[[",
    '{"a":',
    '"a":1,',
    "1,",
    "1.",
    "1-",
]
PIECES += [
    "1e",
    "a.",
    ".a",
    "-a.",
    "a,",
    ", ",
    "not ",
    "(a eq 1) or ",
    "a eq 1 and ",
    "\\u0041",
    "\\ud83d",
    "\\ud83d\\ude00",
]
PIECES += [
    "/flags",
    "/users/",
    "//",
    "::",
    "0:",
    "burgee_",
    "<<: ",
    "&a ",
    "*a ",
    "? ",
    "'' ",
    '"" ',
    "#\n",
    " #",
    ":#",
    "a: #",
]


def exchange(query: str, name: bytes = b"", value: str = "") -> Exchange:
    fields = {name: _bytes(value)} if name else {}
    scope = {"query_string": query.encode("utf-8", "replace"), "headers": list(fields.items()), "path": "/"}

    async def receive() -> Any:
        return {}

    return Exchange(scope, receive, "/", fields, Tenants(Serving()), Bodies())


def routed(path: str) -> Any:
    raw = path.encode("utf-8", "replace")
    return [
        ROUTES.find("GET", f"/users/{path}/flags", raw),
        ROUTES.find("POST", f"{OFREP}/{path}"),
        ROUTES.methods(path),
    ]


def root(path: str) -> str:
    return EventPath(lambda *_: None, ("/flags", "/a"))._root(path, "/prod")  # type: ignore[arg-type]


def _formatted(text: str) -> str:
    """A file is formatted that can be read."""
    document = Document("f", _bytes(text))
    return "" if document.problems else formatted(text)


def _pairs(text: str) -> bytes:
    return reading._PAIR.sub(reading._character, _bytes(text))


def nested(text: str) -> Any:
    """A JSON value from brackets and commas, for what takes values."""
    return {"a": [text, *text.split(",")[:1000]], "b": text}


ROUTES = Routes(EVALUATION_ROUTES)
OFREP = "/ofrep/v1/evaluate/flags"
# Each with what stands before and after the pieces.
PARSERS: dict[str, tuple[Callable[[str], Any], list[tuple[str, str]]]] = {
    "the body of a write": (
        lambda text: json_fault(_bytes(text)),
        [("", ""), ('"', ""), ('{"a": "', '"}'), ("[", "]")],
    ),
    "the body of OFREP": (lambda text: ofrep._context(_bytes(text)), [("", ""), ('{"context": {"a": "', '"}}')]),
    "JSON": (parse_json, [("", ""), ('"', '"'), ("[", "1]")]),
    "a number": (parse_number, [("", ""), ("1.", ""), ("-", "")]),
    "numbers in a value": (lambda text: misfit(nested(text)), [("", "")]),
    "an ETag that a client has": (lambda text: holds(text, '"x"'), [("", ""), ('"', '"')]),
    "an ETag that a write needs": (lambda text: matches(text, '"x"'), [("", "")]),
    "Content-Length": (lambda text: exchange("", b"content-length", text).announced, [("", "")]),
    "Authorization": (lambda text: shown({b"authorization": _bytes(text)}), [("", ""), ("Bearer ", "")]),
    "a token": (named, [("", ""), ("burgee_admin_", ""), ("burgee_admin_a/b_", "")]),
    "X-Request-Id": (lambda text: request_id({}, {b"x-request-id": _bytes(text)}), [("", "")]),
    "Origin": (lambda text: foreign({b"origin": _bytes(text), b"host": _bytes(text)}), [("", ""), ("https://", "")]),
    "origins of settings": (lambda text: wanted([text]), [("", ""), ("https://", ""), ("https://a", ":1")]),
    "an address": (network, [("", ""), ("::", ""), ("1:", ":1")]),
    "a path": (routed, [("", ""), ("/", ""), ("a", "/flags/b")]),
    "the path of an event": (root, [("", ""), ("/prod", ""), ("/flags/", "")]),
    "base paths": (parse_base_paths, [("", ""), ("/", "")]),
    "a redirect": (lambda text: redirect(_scope(text)), [("/", "/"), ("/users/", "/flags/")]),
    "query parameters": (lambda text: users.context_of(exchange(text), "u"), [("", ""), ("a=", "")]),
    "?explain": (lambda text: wants(exchange(text), "explain"), [("", "")]),
    "a value that is typed": (literal, [("", ""), ('"', '"'), ("-", "")]),
    "the path of an attribute": (lambda text: reader(text)({"a": {}}), [("", ""), ("a.", "")]),
    "a version": (parse_version, [("", ""), ("1.2.3-", ""), ("1.2.3+", "")]),
    "a time": (parse_time, [("", ""), ("2027-01-01T00:00:00.", "Z"), ("2027-01-01T00:00:00", "")]),
    "a duration": (parse_duration, [("", ""), ("1", "h")]),
    "an event": (lambda text: accept(_event(text), RecordScope(), 0.0), [("", "")]),
    "a scalar of YAML": (scalar, [("", ""), ("-", ""), ("1.", "")]),
    "a flag file": (lambda text: Document("f", _bytes(text)), [("", ""), ("a: ", ""), ("a: [", "]"), ('a: "', '"')]),
    "a flag file to be formatted": (
        _formatted,
        [("version: 1\n# ", ""), ("version: 1\nflags:\n  a: {description: ", "}")],
    ),
    "a query of GO Feature Flag": (
        lambda text: Query(text, ()),
        [("", ""), ("a eq ", ""), ('a eq "', '"'), ("(", ")")],
    ),
    "a condition of JSON Logic": (lambda text: ConditionReader().when({"==": [{"var": text}, text]}, ()), [("", "")]),
    "a file of another engine": (_pairs, [("", ""), ('{"a": "', '"}')]),
}
REFUSALS = (
    yaml.YAMLError,
    ValueError,
    RecursionError,
    BurgeeError,
    Unacceptable,
    NoEquivalent,
    ofrep.Unusable,
    KeyError,
    AttributeError,
)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _scope(path: str) -> Any:
    return {"path": path, "query_string": b"", "headers": [(b"host", b"localhost")], "scheme": "http"}


def _event(text: str) -> Any:
    return {"type": "track", "event_id": text, "unit": text, "event": text, "time": text, "properties": {text: text}}


def seconds(parse: Callable[[str], Any], text: str) -> float:
    """Processor time of this thread, which no other process's work is part of."""
    before = time.thread_time()
    with suppress(*REFUSALS):
        parse(text)
    return time.thread_time() - before


def assert_linear(name: str, parse: Callable[[str], Any], made: Callable[[int], str]) -> None:
    large = made(LARGE)
    taken = small = 0.0
    for _ in range(TRIES):
        taken = seconds(parse, large)
        small = max(seconds(parse, made(SMALL)), NOTHING_SECONDS / BOUND)
        if taken < NOTHING_SECONDS or taken / small < BOUND:
            return
    pytest.fail(f"{name}: {taken:.3f} s for {LARGE:,} of what {small:.3f} s is for {SMALL:,}: {large[:200]!r}")


@pytest.mark.parametrize("name", PARSERS)
def test_time_grows_with_the_input_and_not_with_its_square(name: str) -> None:
    parse, frames = PARSERS[name]
    for before, after in frames:
        for piece in PIECES:
            assert_linear(name, parse, lambda n, b=before, p=piece, a=after: b + p * n + a)  # type: ignore[misc]


SHAPES: dict[str, tuple[str, Callable[[int], str]]] = {
    "keys that are all there twice": ("a flag file", lambda n: "".join(f"k{i}: {{a: 1}}\n" for i in range(n)) * 2),
    "a list of mappings": ("a flag file", lambda n: "".join(f"- {{k{i}: [1, 2]}}\n" for i in range(n))),
    "many members": ("the body of a write", lambda n: "{" + ",".join(f'"k{i}": {i}' for i in range(n)) + "}"),
    "many parameters": ("query parameters", lambda n: "&".join(f"k{i}={i}" for i in range(n))),
    "a parameter many times": ("query parameters", lambda n: "&".join(f"k={i}" for i in range(n))),
    "many numbers": ("JSON", lambda n: "[" + ",".join("9" * 30 for _ in range(n)) + "]"),
    "one long number": ("the body of a write", lambda n: "[" + "9" * n * 8 + "]"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_with_what_has_many_parts(shape: str) -> None:
    name, made = SHAPES[shape]
    assert_linear(shape, PARSERS[name][0], made)
