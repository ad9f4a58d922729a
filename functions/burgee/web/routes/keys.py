"""API keys and settings over HTTP, for an admin key with all scopes: its own tenant's, and no other's."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from burgee.access.keys import Kind, Scope, create, listed, revoke, rotate, told
from burgee.access.settings import change, settings, wanted
from burgee.errors import Refused
from burgee.times import parse_duration
from burgee.web.exchange import exchange_of
from burgee.web.problems import answer
from burgee.web.routes.writes import COMMON, MISSING, UNCHANGED, Expiry, Here, Intent, Meant, Said

if TYPE_CHECKING:
    from burgee.access.keys import Key, Made
    from burgee.stores.audit import AuditContext

router = APIRouter(tags=["keys"], responses=COMMON)
_UNCACHED = {"Cache-Control": "no-store"}
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]


class NewKey(Said):
    """A key to make."""

    kind: Kind = Field(description="client, server or admin.")
    name: str = Field(min_length=1, max_length=100, description="Whose it is; told in the audit log.")
    scopes: list[Scope] = Field(default_factory=list, max_length=3, description="What an admin key may do.")
    expires_in: Expiry = None


class Rotation(Said):
    """How long the old key goes on working."""

    overlap: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}[smhd]$")] = "1d"


class NewSettings(Said):
    """What the project asks of the service."""

    cors_origins: list[str] = Field(max_length=100, description="Web origins whose pages may evaluate.")


@router.get("/keys", responses=UNCHANGED)
def list_keys(request: Request, flags: Here) -> Response:
    """The keys there are, without their secrets."""
    return answer(request, {"keys": [_record(key, used) for key, used in listed(flags.store)]})


@router.post("/keys", status_code=201)
def create_key(request: Request, flags: Here, meant: Meant, body: NewKey) -> Response:
    """Make a key; its token is told this once."""
    act = _once(meant, meant.act("key.create", body.author, body.reason, body.expires_in))
    return _made(request, create(flags.store, body.kind, body.name, act, tuple(body.scopes)))


@router.post("/keys/{key_id}/rotate", status_code=201, responses=MISSING)
def rotate_key(request: Request, flags: Here, meant: Meant, key_id: KeyId, body: Rotation) -> Response:
    """Make a key in this one's place, which goes on working for the overlap."""
    act = _once(meant, meant.act("key.rotate", body.author, body.reason))
    try:
        overlap = parse_duration(body.overlap)
    except ValueError as error:
        raise Refused("invalid-request", f"overlap: {error}") from error
    return _made(request, rotate(flags.store, key_id, overlap, act))


@router.delete("/keys/{key_id}", status_code=204, responses=MISSING)
def revoke_key(flags: Here, meant: Meant, key_id: KeyId) -> Response:
    """Stop a key, everywhere within a minute."""
    told = Response(status_code=204)
    revoke(flags.store, key_id, _with(meant, meant.act("key.revoke"), told))
    return told


@router.get("/settings", responses=UNCHANGED)
def get_settings(request: Request, flags: Here) -> Response:
    """What the project asks of the service."""
    return answer(request, asdict(settings(flags.store)))


@router.put("/settings")
def put_settings(request: Request, flags: Here, meant: Meant, body: NewSettings) -> Response:
    """Say it anew; in force within a minute."""
    act = meant.act("settings.change", body.author, body.reason)
    told = answer(request, asdict(wanted(body.cors_origins)))
    change(flags.store, body.cors_origins, _with(meant, act, told))
    exchange_of(request).tenants.forget_origins(flags.store.tenant)
    return told


def _with(meant: Intent, act: AuditContext, told: Response) -> AuditContext:
    """The act whose answer is `told`; never a dry one."""
    if meant.dry_run:
        raise Refused("invalid-request", "dry_run: no flag's answer changes here; there is nothing to try")
    return act._replace(puts=meant.puts(told))


def _once(meant: Intent, act: AuditContext) -> AuditContext:
    """The act whose answer has a token in it, which is kept nowhere."""
    return _with(meant, act, Response(status_code=201, headers=_UNCACHED))


def _record(key: Key, used: str | None) -> dict[str, Any]:
    return {**told(key), "last_used_at": used}


def _made(request: Request, made: Made) -> Response:
    return answer(request, {**told(made.key), "token": made.token}, 201, _UNCACHED)
