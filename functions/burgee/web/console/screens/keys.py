"""Keys of the tenant, for callers with every scope: created, replaced and revoked by the API's routes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, Path, Query, Request, Response

from burgee.access.keys import Kind, Scope, find, listed
from burgee.access.settings import settings
from burgee.errors import Refused
from burgee.web.console.render import fragment
from burgee.web.exchange import Need
from burgee.web.routes.writes import CallerFlags, needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.access.keys import Key

router = APIRouter(include_in_schema=False)
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


class Preset(NamedTuple):
    """A kind of key that is often made: the scopes of an admin key, and what it is for."""

    name: str
    title: str
    words: str
    kind: Kind
    scopes: Sequence[Scope] = ()


_ON_CALL = (Scope.READ, Scope.WRITE, Scope.RELEASE)
PRESETS = (
    Preset("on-call", "On call", "reads, switches flags, rolls back", Kind.ADMIN, _ON_CALL),
    Preset("propose", "Propose", "reads, and proposes pull requests", Kind.ADMIN, (Scope.READ, Scope.PROPOSE)),
    Preset("read", "Read", "sees everything, changes nothing", Kind.ADMIN, (Scope.READ,)),
    Preset("server", "Server", "evaluates all flags, from a service", Kind.SERVER),
    Preset("client", "Client", "evaluates flags open to clients, from a page or an app", Kind.CLIENT),
)


class Row(NamedTuple):
    """A key, when it was last seen, and why it is no longer valid."""

    key: Key
    used: str | None
    fault: str | None


@router.get("/fragments/keys", **needs(Need.KEYS))
def list_keys(request: Request, flags: CallerFlags) -> Response:
    """All keys, without their secrets, valid ones first."""
    now = time.time()
    rows = [Row(key, used, key.fault(now)) for key, used in listed(flags.store)]
    rows.sort(key=lambda row: (row.fault is not None, row.key.name.casefold()))
    return fragment(request, "keys", rows=rows, settings=settings(flags.store), tenant=flags.store.tenant, now=now)


@router.get("/fragments/keys/new", **needs(Need.KEYS))
def new_key(
    request: Request, flags: CallerFlags, preset: Annotated[str, Query(max_length=20)] = PRESETS[0].name
) -> Response:
    """The dialog that creates a key of a preset kind."""
    chosen = next((one for one in PRESETS if one.name == preset), PRESETS[0])
    body = {"kind": chosen.kind, **({"scopes": chosen.scopes} if chosen.scopes else {})}
    return fragment(
        request, "key_new", presets=PRESETS, chosen=chosen, body=json.dumps(body), tenant=flags.store.tenant
    )


@router.get("/fragments/keys/{key_id}/rotate", **needs(Need.KEYS))
def rotate_key(request: Request, flags: CallerFlags, key_id: KeyId) -> Response:
    """The dialog that replaces a key."""
    return fragment(request, "key_rotate", key=_found(flags, key_id), tenant=flags.store.tenant)


@router.get("/fragments/keys/{key_id}/revoke", **needs(Need.KEYS))
def revoke_key(request: Request, flags: CallerFlags, key_id: KeyId) -> Response:
    """The dialog that revokes a key."""
    return fragment(request, "key_revoke", key=_found(flags, key_id), tenant=flags.store.tenant)


def _found(flags: CallerFlags, key_id: str) -> Key:
    key = find(flags.store, key_id)
    if key is None:
        raise Refused("not-found", f"there is no key {key_id}")
    return key
