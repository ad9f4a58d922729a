"""The console's public part: one empty page for every address under `/console/`, and its scripts and styles.

It holds no data. The page's script asks for a key, keeps it in memory, and loads fragments with it.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING

from burgee.version import __version__
from burgee.web.exchange import Need, Route
from burgee.web.problems import problem
from burgee.web.replies import Reply

if TYPE_CHECKING:
    from burgee.web.exchange import Exchange

POLICY = b"; ".join(
    (
        b"default-src 'none'",
        b"script-src 'self'",
        b"style-src 'self'",
        b"img-src 'self'",
        b"connect-src 'self'",
        b"form-action 'none'",
        b"base-uri 'none'",
        b"frame-ancestors 'none'",
    )
)
_TYPES = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}
_FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")
_FILES = ("tokens.css", "console.css", "console.js", "htmx.min.js", "icon.svg")


async def entrance(exchange: Exchange) -> Reply:
    """From the service's address to the console."""
    # Not to `/console/`: API Gateway's route for what is below it needs something there.
    location = f"{exchange.scope.get('root_path', '')}/console/flags".encode()
    return Reply(307, b"", [(b"content-length", b"0"), (b"location", location)])


async def shell(exchange: Exchange) -> Reply:
    """The empty page."""
    exchange.policy = POLICY
    body = _shell(exchange.scope.get("root_path", ""), is_open=bool(exchange.caller.may))
    return Reply(200, body, [(b"content-length", b"%d" % len(body)), (b"content-type", b"text/html; charset=utf-8")])


async def static(exchange: Exchange) -> Reply:
    """A file of the page, under an address that changes with its content."""
    (name,) = exchange.arguments
    found = files().get(name)
    if found is None:
        return problem(404, "not-found", "Not Found")
    body, kind = found
    return Reply(200, body, [(b"content-length", b"%d" % len(body)), (b"content-type", kind), _FOREVER])


@cache
def files() -> dict[str, tuple[bytes, bytes]]:
    """The files by their address below `static/`, each with its type."""
    found = {}
    for name in _FILES:
        place = resources.files("burgee") if name == "tokens.css" else resources.files(__package__) / "static"
        body = (place / name).read_bytes()
        found[addressed(name, body)] = body, _TYPES[name.rpartition(".")[2]]
    return found


def addressed(name: str, body: bytes) -> str:
    """A file's name with the beginning of its digest."""
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{sha256(body).hexdigest()[:12]}.{ending}"


def linked(root: str) -> dict[str, str]:
    """The addresses of the files by name."""
    return {name: f"{root}/console/static/{one}" for name, one in zip(_FILES, files(), strict=True)}


@cache
def _shell(root: str, *, is_open: bool) -> bytes:
    from burgee.web.console.render import rendered

    return rendered("shell", root=root, files=linked(root), is_open=is_open, version=__version__).encode()


def _inside(path: str, _raw: bytes | None) -> tuple[str, ...] | None:
    return () if path.startswith("/console/") else None


ROUTES = [
    Route("GET", "/", Need.NOTHING, "entrance", entrance),
    Route("GET", "/console", Need.NOTHING, "entrance", entrance),
    Route("GET", "/console/static/{file}", Need.NOTHING, "console_file", static, logged=False),
    Route("GET", "/console/{page}", Need.NOTHING, "console", shell, match=_inside, logged=False),
]
