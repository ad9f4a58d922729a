"""Flags as resources: each write becomes an override over the release, with its author and its reason."""

from __future__ import annotations

import time
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field

from burgee.deploy import live, write
from burgee.errors import Refused
from burgee.grammar import Served, Status
from burgee.overrides import Act, lay, lift, served
from burgee.parts import Name
from burgee.web.problems import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.model import Definition, Snapshot
    from burgee.serving import Serving
    from burgee.stores import Change, State, Store


class Written(Served):
    """What any body may say beside the flag's own keys; it goes before the headers of the same meaning."""

    author: str | None = Field(None, max_length=200, description="Who writes this.")
    reason: str | None = Field(None, max_length=500, description="Why.")


class FlagChange(Written):
    """The keys to change; `null` takes one away."""


class NewFlag(Written):
    """A flag: the keys of flags.yaml, and its name."""

    flag_name: Name = Field(description="Its name.")
    status: Status = Field(False, description="On or off.")


Author = Annotated[str, Header(alias="X-Burgee-Author", max_length=200)]
Reason = Annotated[str, Header(alias="X-Burgee-Reason", max_length=500)]

_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {"schema": {"type": "object"}}}}
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "No such flag", **_PROBLEM}}
EXISTS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The name is taken, or the body is no JSON", **_PROBLEM}
}
COMMON: dict[int | str, dict[str, Any]] = {
    409: {"description": "Somebody else wrote at the same moment", **_PROBLEM},
    422: {"description": "The body is not a flag", **_PROBLEM},
    503: {"description": "The store does not answer", **_PROBLEM},
}
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Not changed since `If-None-Match`"}}


class Flags:
    """Flags read from and written to a store, whole states at a time."""

    def __init__(self, store: Store, serving: Serving) -> None:
        self.store = store
        self.serving = serving

    def read(self) -> tuple[State, Snapshot, str]:
        """The state, the release's snapshot, and the time the release was made."""
        state, snapshot = live(self.store)
        version = state.pointer.version
        return state, snapshot, self.store.release(version).created_at if version else ""

    def write(self, change: Callable[[State, Snapshot], Change]) -> None:
        """Commits a change, and serves it here at once."""
        write(self.store, change)
        self.serving.refresh()

    def tell(self, flag: str) -> dict[str, Any]:
        """A flag as the management routes answer it."""
        state, snapshot, released = self.read()
        definition = served(state, snapshot, flag, time.time())
        if definition is None:
            raise Refused("not-found", f"Feature flag '{flag}' not found")
        return resource(flag, definition, state, released)


def resource(flag: str, definition: Definition, state: State, released: str) -> dict[str, Any]:
    """The body of one flag; `id` is made of the name, so that it never changes."""
    override = state.overrides.get(flag)
    return {
        "id": int.from_bytes(sha256(flag.encode()).digest()[:7]) >> 4,
        "flag_name": flag,
        "status": False,
        "rollout_percentage": None,
        "description": None,
        **definition,
        "created_at": override.created_at if override and override.base_digest is None else released,
        "updated_at": override.updated_at if override else released,
        "source": "override" if override else "release",
    }


def management_router(store: Store, serving: Serving) -> APIRouter:
    """The management routes over a store."""
    flags = Flags(store, serving)
    router = APIRouter(tags=["management"], responses=COMMON)
    router.include_router(_flag_routes(flags))
    router.include_router(_operation_routes(flags))
    return router


def _flag_routes(flags: Flags) -> APIRouter:
    """Flags as the first version of this service had them, and richer ones."""
    router = APIRouter()

    def lay_flag(flag: str, act: Act, wanted: Callable[[Definition | None], Mapping[str, Any] | None]) -> None:
        def change(state: State, snapshot: Snapshot) -> Change:
            target = wanted(served(state, snapshot, flag, act.now))
            return lay(state, snapshot, flag, target, act)

        flags.write(change)

    @router.post("/flags", status_code=201, responses=EXISTS)
    def create_flag(request: Request, body: NewFlag, author: Author = "unknown", reason: Reason = "") -> Response:
        """Make a flag that Git does not know yet."""
        wanted = _sent(body)

        def new(current: Definition | None) -> Mapping[str, Any]:
            if current is not None:
                raise Refused("exists", f"Feature flag '{body.flag_name}' already exists")
            return {"status": body.status, **wanted}

        lay_flag(body.flag_name, Act("flag.create", body.author or author, body.reason or reason, time.time()), new)
        return answer(request, flags.tell(body.flag_name), 201)

    @router.get("/flags", responses=UNCHANGED)
    def list_flags(
        request: Request,
        limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
        cursor: Annotated[str, Query(max_length=255)] = "",
    ) -> Response:
        """All flags by name; with `limit`, that many after `cursor`, and the next page in `Link`."""
        state, snapshot, released = flags.read()
        now = time.time()
        names = sorted(name for name in {*snapshot["flags"], *state.overrides} if name > cursor)
        found = [(name, served(state, snapshot, name, now)) for name in names]
        told = [resource(name, definition, state, released) for name, definition in found if definition is not None]
        headers = {}
        if limit is not None and len(told) > limit:
            told = told[:limit]
            headers["Link"] = f'<?limit={limit}&cursor={told[-1]["flag_name"]}>; rel="next"'
        return answer(request, told, headers=headers)

    @router.get("/flags/{flag_name}", responses=MISSING | UNCHANGED)
    def get_flag(request: Request, flag_name: str) -> Response:
        """One flag as it is served."""
        return answer(request, flags.tell(flag_name))

    @router.put("/flags/{flag_name}", responses=MISSING | EXISTS)
    def update_flag(
        request: Request, flag_name: str, body: FlagChange, author: Author = "unknown", reason: Reason = ""
    ) -> Response:
        """Change the keys sent, and only those."""
        sent = _sent(body)

        def changed(current: Definition | None) -> Mapping[str, Any]:
            if current is None:
                raise Refused("not-found", f"Feature flag '{flag_name}' not found")
            return {key: value for key, value in {**current, **sent}.items() if value is not None}

        lay_flag(flag_name, Act("flag.update", body.author or author, body.reason or reason, time.time()), changed)
        return answer(request, flags.tell(flag_name))

    @router.delete("/flags/{flag_name}", status_code=204, responses=MISSING)
    def delete_flag(flag_name: str, author: Author = "unknown", reason: Reason = "") -> Response:
        """Serve a flag as absent; one that Git never had is gone."""

        def absent(current: Definition | None) -> None:
            if current is None:
                raise Refused("not-found", f"Feature flag '{flag_name}' not found")

        lay_flag(flag_name, Act("flag.delete", author, reason, time.time()), absent)
        return Response(status_code=204)

    return router


def _operation_routes(flags: Flags) -> APIRouter:
    """What has been decided, by whom, and the way back."""
    router = APIRouter()
    store = flags.store

    @router.get("/overrides", responses=UNCHANGED)
    def list_overrides(request: Request) -> Response:
        """What operators said over the release."""
        overrides = store.state().overrides
        return answer(request, {"overrides": [asdict(override) for override in overrides.values()]})

    @router.delete("/overrides/{flag_name}", status_code=204, responses=MISSING)
    def clear_override(flag_name: str, author: Author = "unknown", reason: Reason = "") -> Response:
        """Take an override away: the release decides again."""
        act = Act("override.clear", author, reason, time.time())
        flags.write(lambda state, snapshot: lift(state, snapshot, flag_name, act))
        return Response(status_code=204)

    @router.get("/releases", responses=UNCHANGED)
    def list_releases(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    ) -> Response:
        """Releases, newest first, versions below `cursor`."""
        current = store.pointer().version
        releases = [asdict(release) for release in store.releases(limit=limit, before=cursor)]
        return answer(request, {"current": current, "releases": releases})

    @router.get("/audit", responses=UNCHANGED)
    def list_audit(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        cursor: Annotated[str | None, Query(max_length=64)] = None,
        flag: Annotated[str | None, Query(max_length=255)] = None,
    ) -> Response:
        """Who changed what, newest first, entries before `cursor`."""
        entries = [asdict(entry) for entry in store.audit(limit=limit, before=cursor, flag=flag)]
        return answer(request, {"entries": entries, "cursor": entries[-1]["id"] if entries else None})

    return router


def _sent(body: Written) -> dict[str, Any]:
    """The flag's keys that a body carries, `None` where it says null."""
    return body.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"flag_name", "author", "reason"})
