"""`/keys` and `/settings`, for an admin key with all scopes; only those of its own tenant."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from burgee.access.keys import Kind, Scope, create, listed, public_record, revoke, rotate
from burgee.access.settings import change, settings, wanted
from burgee.web.exchange import Need, exchange_of
from burgee.web.responses import answer
from burgee.web.routes.writes import (
    COMMON,
    MISSING,
    UNCACHED,
    UNCHANGED,
    CallerFlags,
    Expiry,
    MaybeRotation,
    Reasoned,
    Write,
    duration,
    needs,
)

if TYPE_CHECKING:
    from burgee.access.keys import Key, Made

router = APIRouter(tags=["keys"], responses=COMMON)
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


class NewKey(Reasoned):
    """A key to create."""

    kind: Kind = Field(description="client, server or admin.")
    name: str = Field(min_length=1, max_length=100, description="The key's owner or purpose, shown in the audit log.")
    scopes: list[Scope] = Field(default_factory=list, max_length=len(Scope), description="What an admin key may do.")
    expires_in: Expiry = None


class NewSettings(Reasoned):
    """The settings of the project."""

    cors_origins: list[str] = Field(max_length=100, description="Web origins whose pages may evaluate.")


@router.get("/keys", responses=UNCHANGED, **needs(Need.KEYS))
def list_keys(request: Request, flags: CallerFlags) -> Response:
    """All keys, without their secrets."""
    return answer(request, {"keys": [_record(key, used) for key, used in listed(flags.store)]})


@router.post("/keys", status_code=201, **needs(Need.KEYS))
def create_key(request: Request, flags: CallerFlags, write: Write, body: NewKey) -> Response:
    """Create a key; its token is only in this answer."""
    act = write.once(write.act("key.create", body.author, body.reason, body.expires_in))
    return _made(request, create(flags.store, body.kind, body.name, act, tuple(body.scopes)))


@router.post("/keys/{key_id}/rotate", status_code=201, responses=MISSING, **needs(Need.KEYS))
def rotate_key(request: Request, flags: CallerFlags, write: Write, key_id: KeyId, body: MaybeRotation) -> Response:
    """Replace a key; the old one stays valid for the overlap."""
    act = write.once(write.act("key.rotate", body.author, body.reason))
    return _made(request, rotate(flags.store, key_id, duration("overlap", body.overlap), act))


@router.delete("/keys/{key_id}", status_code=204, responses=MISSING, **needs(Need.KEYS))
def revoke_key(flags: CallerFlags, write: Write, key_id: KeyId) -> Response:
    """Revoke a key, everywhere within a minute."""
    response = Response(status_code=204)
    revoke(flags.store, key_id, write.effectless(write.act("key.revoke"), response))
    return response


@router.get("/settings", responses=UNCHANGED, **needs(Need.KEYS))
def get_settings(request: Request, flags: CallerFlags) -> Response:
    """The settings of the project."""
    return answer(request, asdict(settings(flags.store)))


@router.put("/settings", **needs(Need.KEYS))
def put_settings(request: Request, flags: CallerFlags, write: Write, body: NewSettings) -> Response:
    """Replace the settings; in force within a minute."""
    act = write.act("settings.change", body.author, body.reason)
    response = answer(request, asdict(wanted(body.cors_origins)))
    change(flags.store, body.cors_origins, write.effectless(act, response))
    exchange_of(request).tenants.forget_origins(flags.store.tenant)
    return response


def _record(key: Key, used: str | None) -> dict[str, Any]:
    return {**public_record(key), "last_used_at": used}


def _made(request: Request, made: Made) -> Response:
    return answer(request, {**public_record(made.key), "token": made.token}, 201, UNCACHED)
