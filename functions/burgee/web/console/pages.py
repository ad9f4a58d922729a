"""The console's public part: one empty page for every address under `/console/`, and its scripts and styles.

It holds no data. The page's script asks for a key, keeps it in memory, and loads fragments with it.
"""

from __future__ import annotations

from functools import cache, lru_cache
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING

from burgee.web.console.sign_in import Discovery, Endpoints, SignIn
from burgee.web.exchange import Need, Route
from burgee.web.problems import problem
from burgee.web.replies import Reply

if TYPE_CHECKING:
    from burgee.web.exchange import Exchange, Handler


def policy(connect: str = "'self'") -> bytes:
    """The policy of a page: its own files, nothing inline, and requests to these addresses alone."""
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        f"connect-src {connect}",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules).encode()


POLICY = policy()
_TYPES = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}
_FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")
_SHARED = ("tokens.css", "charts.css")
_FILES = (*_SHARED, "console.css", "console.js", "htmx.min.js", "icon.svg")


async def entrance(exchange: Exchange) -> Reply:
    """From the service's address to the console."""
    # Not to `/console/`: API Gateway's route for what is below it needs something there.
    location = f"{exchange.scope.get('root_path', '')}/console/flags".encode()
    return Reply(307, b"", [(b"content-length", b"0"), (b"location", location)])


def shell(sign_in: SignIn | None = None) -> Handler:
    """Answers with the empty page."""
    discovery = None if sign_in is None else Discovery(sign_in.issuer)

    async def answer(exchange: Exchange) -> Reply:
        endpoints = None if discovery is None else await discovery.endpoints()
        exchange.policy = POLICY if endpoints is None else policy(f"'self' {endpoints.token_origin}")
        root = exchange.scope.get("root_path", "")
        body = _shell(root, sign_in, endpoints, is_open=bool(exchange.caller.may))
        kind = (b"content-type", b"text/html; charset=utf-8")
        return Reply(200, body, [(b"content-length", b"%d" % len(body)), kind])

    return answer


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
        place = resources.files("burgee") if name in _SHARED else resources.files(__package__) / "static"
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


@lru_cache(32)
def _shell(root: str, sign_in: SignIn | None, endpoints: Endpoints | None, *, is_open: bool) -> bytes:
    from burgee.web.console.render import rendered
    from burgee.web.console.screens.frame import SCREENS

    values = {"sign_in": sign_in, "endpoints": endpoints, "is_open": is_open}
    return rendered("shell", root=root, files=linked(root), screens=SCREENS, **values).encode()


def _inside(path: str, _raw: bytes | None) -> tuple[str, ...] | None:
    return () if path.startswith("/console/") else None


def page_routes(sign_in: SignIn | None = None) -> list[Route]:
    """The routes of the page and its files, which are public; `sign_in` is how people sign in without a key."""
    return [
        Route("GET", "/", Need.NOTHING, "entrance", entrance),
        Route("GET", "/console", Need.NOTHING, "entrance", entrance),
        Route("GET", "/console/static/{file}", Need.NOTHING, "console_file", static, logged=False),
        Route("GET", "/console/{page}", Need.NOTHING, "console", shell(sign_in), match=_inside, logged=False),
    ]
