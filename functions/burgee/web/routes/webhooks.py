"""`/webhooks`: who is sent the changes of the caller's tenant."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field, StrictBool

from burgee.errors import Refused
from burgee.web.exchange import Need
from burgee.web.replies import etag_of
from burgee.web.responses import answer
from burgee.web.routes.writes import (
    COMMON,
    MISSING,
    STALE,
    UNCACHED,
    UNCHANGED,
    CallerFlags,
    MaybeReasoned,
    MaybeRotation,
    Reasoned,
    Write,
    WriteRequest,
    duration,
    moment,
    needs,
)
from burgee.webhooks import endpoints
from burgee.webhooks.addresses import MAX_URL
from burgee.webhooks.endpoints import MAX_ACTIONS, MAX_NAME, Kind, Wanted, public_record
from burgee.webhooks.replaying import Choice, health, replay

if TYPE_CHECKING:
    from burgee.stores import Store
    from burgee.webhooks.endpoints import Made
    from burgee.webhooks.sealing import Vault

router = APIRouter(tags=["webhooks"], responses=COMMON)
WebhookId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
Action = Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z]+)?$", max_length=64)]


class NewWebhook(Reasoned):
    """A webhook to add."""

    url: str = Field(max_length=MAX_URL, description="A public HTTPS address; shown without its path afterwards.")
    kind: Kind = Field(Kind.STANDARD, description="standard (Standard Webhooks 1.0) or slack.")
    name: str = Field("", max_length=MAX_NAME, description="Its name in lists; the host by default.")
    actions: list[Action] = Field(
        default_factory=list,
        max_length=MAX_ACTIONS,
        description="Such as flag.kill, or flag; every action by default.",
    )
    link: str | None = Field(None, max_length=MAX_URL, description="The service's address, for links to the console.")


class Replay(Reasoned):
    """Which messages to send again: exactly one of these."""

    messages: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=100, description="Ids of audit entries."
    )
    dead: StrictBool = Field(False, description="All dead letters.")
    since: Annotated[str, Field(max_length=40)] | None = Field(None, description="All since this time, in RFC 3339.")


@router.get("/webhooks", responses=UNCHANGED, **needs(Need.WEBHOOKS))
def list_webhooks(request: Request, flags: CallerFlags) -> Response:
    """All webhooks, without their URLs' paths and their secrets."""
    return answer(request, {"webhooks": [public_record(one) for one in endpoints.listed(flags.store)]})


@router.post("/webhooks", status_code=201, **needs(Need.WEBHOOKS))
def add_webhook(request: Request, flags: CallerFlags, write: Write, body: NewWebhook) -> Response:
    """Add a webhook; its signing secret is only in this answer."""
    act = write.once(write.act("webhook.add", body.author, body.reason))
    wanted = Wanted(body.url, body.kind, body.name, body.actions, body.link)
    return _made(request, endpoints.add(flags.store, _vault(request), wanted, act))


@router.get("/webhooks/{webhook_id}", responses=MISSING | UNCHANGED, **needs(Need.WEBHOOKS))
def get_webhook(request: Request, flags: CallerFlags, webhook_id: WebhookId) -> Response:
    """One webhook."""
    return answer(request, public_record(endpoints.find(flags.store, webhook_id)))


@router.get("/webhooks/{webhook_id}/deliveries", responses=MISSING | UNCHANGED, **needs(Need.WEBHOOKS))
def get_deliveries(request: Request, flags: CallerFlags, webhook_id: WebhookId) -> Response:
    """The last attempt, what waits, and dead letters."""
    return answer(request, health(flags.store, webhook_id, time.time())._asdict())


@router.delete("/webhooks/{webhook_id}", status_code=204, responses=MISSING | STALE, **needs(Need.WEBHOOKS))
def remove_webhook(flags: CallerFlags, write: Write, webhook_id: WebhookId) -> Response:
    """Remove a webhook, with what waits for it."""
    _require_unmoved(write, flags.store, webhook_id)
    response = Response(status_code=204)
    endpoints.remove(flags.store, webhook_id, write.effectless(write.act("webhook.remove"), response))
    return response


@router.post("/webhooks/{webhook_id}/rotate", status_code=201, responses=MISSING | STALE, **needs(Need.WEBHOOKS))
def rotate_secret(
    request: Request, flags: CallerFlags, write: Write, webhook_id: WebhookId, body: MaybeRotation
) -> Response:
    """Add a signing secret; those before it go on signing for the overlap."""
    act = write.once(write.act("webhook.rotate", body.author, body.reason))
    _require_unmoved(write, flags.store, webhook_id)
    overlap = duration("overlap", body.overlap)
    return _made(request, endpoints.rotate(flags.store, _vault(request), webhook_id, overlap, act))


@router.post("/webhooks/{webhook_id}/enable", responses=MISSING | STALE, **needs(Need.WEBHOOKS))
def enable_webhook(
    request: Request, flags: CallerFlags, write: Write, webhook_id: WebhookId, body: MaybeReasoned
) -> Response:
    """Let a disabled webhook receive messages again, from now on."""
    act = write.once(write.act("webhook.enable", body.author, body.reason))
    _require_unmoved(write, flags.store, webhook_id)
    made = public_record(endpoints.enable(flags.store, webhook_id, act))
    return answer(request, made, headers={"ETag": etag_of(made)})


@router.post("/webhooks/{webhook_id}/test", status_code=202, responses=MISSING, **needs(Need.WEBHOOKS))
def test_webhook(
    request: Request, flags: CallerFlags, write: Write, webhook_id: WebhookId, body: MaybeReasoned
) -> Response:
    """Send a test message; `deliveries` shows the result."""
    act = write.once(write.act("webhook.test", body.author, body.reason))
    return answer(request, {"message": endpoints.test(flags.store, webhook_id, act)}, 202)


@router.post("/webhooks/{webhook_id}/replay", status_code=202, responses=MISSING, **needs(Need.WEBHOOKS))
def replay_messages(
    request: Request, flags: CallerFlags, write: Write, webhook_id: WebhookId, body: Replay
) -> Response:
    """Send messages again, under the same ids."""
    act = write.once(write.act("webhook.replay", body.author, body.reason))
    choice = Choice(body.messages, body.dead, moment("since", body.since))
    return answer(request, {"messages": replay(flags.store, webhook_id, choice, act)}, 202)


def _made(request: Request, made: Made) -> Response:
    record = public_record(made.endpoint)
    return answer(request, {**record, "secret": made.secret}, 201, {**UNCACHED, "ETag": etag_of(record)})


def _vault(request: Request) -> Vault:
    vault: Vault | None = request.app.state.vault
    if vault is None:
        message = "no key of AWS KMS is set here to encrypt their secrets: the stack's parameter WebhookKey"
        raise Refused("webhooks-off", message)
    return vault


def _require_unmoved(write: WriteRequest, store: Store, key: str) -> None:
    """Raises Refused if a webhook has changed since the writer read it."""
    write.require_unmoved("the webhook", lambda: public_record(endpoints.find(store, key)))
