"""`burgee serve`: serves a flag file with the embedded store and follows the file, or serves a table.

With several workers this process follows the file and restarts workers that die. Each worker opens the store itself
and sees changes within about a second.
"""

from __future__ import annotations

import os
import shlex
import socket
import time
from contextlib import ExitStack, suppress
from functools import partial
from hashlib import sha256
from ipaddress import ip_address
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from burgee.access.key_cache import KeyRing
from burgee.access.keys import listed
from burgee.cli.guarding import follow
from burgee.cli.render import output
from burgee.cli.source import compile_releasable
from burgee.cli.stores import StoreOptions, opened, store_of
from burgee.cli.webhooks import begin, vault_of
from burgee.errors import BurgeeError, FlagFileError, StoreError, StoreUnavailable
from burgee.evaluation.snapshots import payload
from burgee.flagfile.compile import compile_checked
from burgee.releases.deploy import Consent, apply
from burgee.releases.plan import OverrideVerdict
from burgee.serving.file_source import FileWatch
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext, AuditFilter, latest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import uvicorn

    from burgee.flagfile.source import Source
    from burgee.model import Snapshot
    from burgee.releases.plan import Plan
    from burgee.stores import AuditEntry, Store
    from burgee.web.front import Front

POLL_SECONDS = 0.5
REFRESH_SECONDS = 1.0
WORKER = "worker"
"""The kind of evaluator that a process of this server is."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class ServeOptions(NamedTuple):
    """Options of the server: address, access, number of processes."""

    host: str
    port: int
    keyed: bool
    workers: int = 1

    @property
    def audience(self) -> str:
        """Who can use it, for the startup message."""
        audience = "API key required" if self.keyed else "open to this machine only"
        return audience if self.workers == 1 else f"{audience}, by {self.workers} processes"


class TaskOptions(NamedTuple):
    """Whether this process also sends webhooks and writes down what ends, and whether to this machine too."""

    deliver: bool = False
    loopback: bool = False


def serve(  # noqa: PLR0913 - each is an option
    host: str,
    port: int,
    where: StoreOptions,
    tasks: TaskOptions | None = None,
    *,
    require_keys: bool = False,
    workers: int = 1,
) -> None:
    """Serves until interrupted. A file that is invalid at the start is refused; later the last good one stays."""
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    options = ServeOptions(host, port, require_keys or not _loopback(host), workers)
    if workers > 1 and str(where.state) == ":memory:":
        raise typer.BadParameter("each process would have its own memory; use a file", param_hint="--state")
    with opened(where) as store, ExitStack() as stack:
        if options.keyed:
            _insist_on_a_key(store, host, where)
        listener = stack.enter_context(_listen(host, port))
        url = f"http://{host if ':' not in host else f'[{host}]'}:{listener.getsockname()[1]}"
        stop = Event()
        stack.callback(stop.set)
        arguments = (url, where, store, options.audience)
        serving = _from_table(*arguments) if where.table else _from_file(*arguments, stop)
        if tasks is not None and tasks.deliver:
            begin(store, where, stop, loopback=tasks.loopback)
            Thread(target=follow, args=(store, where, stop), name="guards", daemon=True).start()
        if workers == 1:
            uvicorn.Server(config(_application(where, options, store, serving))).run(sockets=[listener])
        else:
            several = config(partial(_worker, where, options), factory=True, workers=workers)
            Multiprocess(several, [listener]).run()


def config(app: Any, **more: Any) -> uvicorn.Config:
    """uvicorn's configuration. The application handles proxy headers itself, as evaluation does not need them."""
    import uvicorn

    from burgee.web.connections import MAX_WEBSOCKET_MESSAGE, BoundedProtocol, LiveProtocol

    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws=LiveProtocol,
        ws_max_size=MAX_WEBSOCKET_MESSAGE,
        ws_per_message_deflate=False,  # it would take more memory than everything else of a connection
        log_level="error",  # each malformed request of a stranger is a warning
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_worker_healthcheck=30,  # by default a process that takes five seconds to start is killed
        **more,
    )


def _worker(where: StoreOptions, options: ServeOptions) -> Front:
    """One of several worker processes; their parent follows the file."""
    store = store_of(where)
    options_of_store: dict[str, Any] = {"patience": 0} if where.table else {"refresh_seconds": REFRESH_SECONDS}
    serving = Serving(store, evaluator=WORKER, **options_of_store)
    return _application(where, options, store, serving)


def _application(where: StoreOptions, options: ServeOptions, store: Store, serving: Serving) -> Front:
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    from burgee.cli.recording import LocalReports, LocalUsage, recorder, usage_counter
    from burgee.web.app import create_app
    from burgee.web.connections import behind_proxies
    from burgee.web.event_streams import stream_secret
    from burgee.web.front import Setup

    proxies = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
    setup = Setup(
        ring=KeyRing(store) if options.keyed else None,
        # An open service is for this machine only: DNS rebinding gets nothing.
        hosts=frozenset() if options.keyed else LOOPBACK | {options.host},
        address=behind_proxies(proxies),
        recorder=recorder(where),
        usage=usage_counter(where),
        streams=stream_secret(store),
        written=None if where.table else written(where.flags),
        vault=vault_of(where),
    )
    reports = LocalReports(where.flags, where.project, where.environment or "default")
    app = create_app(store, serving, setup, reports, LocalUsage(where))
    # The audit log records the client, not the proxy in front of this service.
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=proxies)
    return app.front


def _insist_on_a_key(store: Store, host: str, where: StoreOptions) -> None:
    """Refuses to serve before a key exists, naming the option that asks for keys and the command that creates one."""
    if any(key.fault(time.time()) is None for key, _ in listed(store)):
        return
    where = where._replace(environment=where.environment or store.tenant.environment)
    options = shlex.join(where.arguments())
    if _loopback(host):
        server = f"burgee keys create server {options}"
        raise typer.BadParameter(f"there is no key yet: `{server}` creates one", param_hint="--require-keys")
    admin = f"burgee keys create admin --scope read --scope write --scope release {options}"
    raise typer.BadParameter(
        f"on {host} every request needs an API key, and there is none: `{admin}` creates one; "
        "or serve on 127.0.0.1, open to this machine",
        param_hint="--host",
    )


def _from_file(url: str, where: StoreOptions, store: Store, audience: str, stop: Event) -> Serving:
    serving = Serving(store, refresh_seconds=REFRESH_SECONDS, evaluator=WORKER)
    follower = Follower(where.flags, where.environment, store, serving.refresh)
    source = follower.begin()
    _greet(url, where, source, audience)
    Thread(target=follower.follow, args=(stop,), daemon=True).start()
    return serving


def _from_table(url: str, where: StoreOptions, store: Store, audience: str) -> Serving:
    """Serves a table; the file is not released into it, because others may use it."""
    serving = Serving(store, patience=0, evaluator=WORKER)
    serving.refresh()
    status = serving.status()
    if status.error is not None:
        raise StoreUnavailable(f"the table {where.table} cannot be served: {status.error}")
    held = f"release {status.version}" if status.version else "no release yet; `burgee apply` creates one"
    output.tell(f"Serving the table {where.table} on {url} (docs at /docs), {audience}: {held}")
    return serving


def _greet(url: str, where: StoreOptions, source: Source, audience: str) -> None:
    environment = f" for {where.environment}" if where.environment else ""
    output.tell(f"Serving {where.flags}{environment} on {url} (docs at /docs), {audience}. Ctrl-C stops.")
    names = source.model.environments
    if names and where.environment not in names:
        output.tell(
            f"No environment is served; the file has {', '.join(names)} (`--env {names[0]}`). "
            "An override that is pulled from here changes all of them.",
            typer.colors.YELLOW,
        )
    first = next(iter(source.model.flags), None)
    if first is not None:
        output.tell(f"Try: curl {url}/users/ada/flags/{first}")


def written(flags: Path) -> Callable[[], Mapping[str, Snapshot]]:
    """What a file says for each of its environments, read again when it changes; the last good one if it is bad."""
    watch = FileWatch(flags)
    found: dict[str, Snapshot] = {}

    def read() -> Mapping[str, Snapshot]:
        nonlocal found
        with suppress(FlagFileError, OSError):
            if watch.changed():
                source = watch.read()
                compile_checked(source)  # raises for a file without environments, too
                found = {name: compile_checked(source, name) for name in source.model.environments}
        return found

    return read


class Follower:
    """Releases a file into a store whenever it or an included file changes."""

    def __init__(self, flags: Path, environment: str | None, store: Store, released: Callable[[], None]) -> None:
        self._watch = FileWatch(flags)
        self._environment = environment
        self._store = store
        self._released = released
        self._waiting: str | None = None
        """Why the store did not accept the file; it will be retried."""

    def release(self) -> Source:
        """Releases the current file. Raises FlagFileError or another BurgeeError if it cannot be released."""
        return self._release(self._watch.read())

    def begin(self) -> Source:
        """Releases the file, unless it is the one that was rolled back from: a restart does not undo a rollback."""
        source = self._watch.read()
        wanted = sha256(payload(compile_releasable(source, self._environment))).hexdigest()
        live, left = self._store.pointer(), _rolled_back(self._store)
        known = {one.digest for one in self._store.releases(limit=100)}
        if left is None or wanted == live.digest or wanted not in known:
            try:
                return self._release(source)
            except StoreUnavailable as error:
                if not live.version:
                    raise
                self._waiting = str(error)
                output.tell(f"Serving release {live.version}: the file cannot be released: {error}", typer.colors.RED)
                return source
        output.tell(
            f"{source.path} and the live release differ: {left.actor} went back to release {live.version}. "
            "`burgee apply` releases the file.",
            typer.colors.YELLOW,
        )
        return source

    def _release(self, source: Source) -> Source:
        snapshot = compile_releasable(source, self._environment)
        act = AuditContext("release.activate", "burgee serve", "the file changed", time.time())
        # The same person edits the file and sets overrides here: both stay, with a message.
        consent = Consent(overrides="keep", empty=True, shrunken=True, reuse=True)
        left = _rolled_back(self._store)
        made = apply(self._store, snapshot, Origin(message=f"served from {source.path.name}"), act, consent)
        self._released()
        _report(made, left)
        return source

    def follow(self, stop: Event) -> None:
        """Checks the file twice a second until stopped."""
        while not stop.wait(POLL_SECONDS):
            self.look()

    def look(self) -> None:
        """Releases the file if it changed; an invalid one changes nothing and is reported once."""
        if self._waiting is None and not self._watch.changed():
            return
        waited, self._waiting = self._waiting, None
        try:
            source = self.release()
        except FlagFileError as error:
            output.problems(error.problems)
            output.tell("The change is invalid; the last good flags are still served.", typer.colors.RED)
        except StoreError as error:
            self._waiting = str(error)
            if self._waiting != waited:
                output.tell(f"The change is not served yet: {error}", typer.colors.RED)
        except BurgeeError as error:
            output.tell(f"The change is not served: {error}", typer.colors.RED)
        else:
            output.tell(f"{source.path} changed: {output.counted(len(source.model.flags), 'flag')} served.")


def _rolled_back(store: Store) -> AuditEntry | None:
    """The audit entry of the rollback to the live release; None if there was no rollback."""
    entry = latest(store, AuditFilter(action="release"))
    return entry if entry is not None and entry.action in {"release.rollback", "release.withdraw"} else None


def _report(made: Plan, left: AuditEntry | None) -> None:
    """Says what a release ended or undid; `left` is the rollback to the release before it."""
    if made.canary is not None and not made.unchanged:
        message = f"Everyone gets the file: this ends the canary of release {made.version}."
        output.tell(message, typer.colors.YELLOW)
    elif left is not None and not made.unchanged:
        message = f"The file is released: this undoes the rollback to release {made.version}."
        output.tell(message, typer.colors.YELLOW)
    for standing in made.standings:
        override = standing.override
        if standing.verdict is OverrideVerdict.ABSORBED:
            output.tell(f"{override.flag}: the file now equals the override; the override was removed.")
        elif standing.verdict is not OverrideVerdict.EXPIRED:
            clash = ", though the file changed since" if standing.verdict is OverrideVerdict.CONFLICT else ""
            message = (
                f"{override.flag}: an override by {output.one_line(override.author)} is served over the file{clash}."
            )
            output.tell(message, typer.colors.YELLOW)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # from here on callers wait instead of being refused
    except OSError as error:
        listener.close()
        output.tell(
            f"burgee: {host}:{port} is not available: {error.strerror}; choose another --port", typer.colors.RED
        )
        raise typer.Exit(1) from error
    return listener
