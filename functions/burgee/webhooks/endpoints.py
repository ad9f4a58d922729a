"""Webhooks as they are stored: where messages go, which, and by which secrets they are signed."""

from __future__ import annotations

import re
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from burgee.errors import Refused
from burgee.records import asdict, dataclass, replace
from burgee.stores import Put, Shelf, Tenant
from burgee.times import format_time, parse_time
from burgee.webhooks.addresses import parse
from burgee.webhooks.delivery import TEST
from burgee.webhooks.signing import new_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.stores import AuditEntry, Store
    from burgee.stores.audit import AuditContext
    from burgee.webhooks.sealing import Vault

MAX_ENDPOINTS = 20
"""Maximum number of webhooks per tenant: each change makes a record for each of them, in one transaction."""
MAX_SECRETS = 4
MAX_NAME = 100
MAX_ACTIONS = 20
CONSOLE = "console"
AT_ONCE = 40
"""Deliveries that one transaction writes or deletes."""
REPLAY = "webhook.replay"
_ACTION = re.compile(r"[a-z]+(\.[a-z]+)?", re.ASCII)
_EVERY_ENVIRONMENT = "*"
"""No environment's name, so it names the project's list of environments with webhooks."""


class Kind(StrEnum):
    """What a receiver takes: Standard Webhooks, or the messages of a Slack channel."""

    STANDARD = "standard"
    SLACK = "slack"


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret, sealed. Times are RFC 3339; one with an end signs until then."""

    sealed: str
    created_at: str
    ends_at: str | None = None

    def in_force(self, now: float) -> bool:
        """Whether it signs at a time in epoch seconds."""
        return self.ends_at is None or now < parse_time(self.ends_at)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One webhook. `address` is its URL without path, `sealed_url` the URL; secrets are newest first.

    It receives the entries of the audit log after `since` whose action is one of `actions` or begins with it (all if
    there are none). `link` is the address of the console that its messages link to.
    """

    id: str
    kind: Kind
    name: str
    address: str
    sealed_url: str
    secrets: tuple[Secret, ...]
    actions: tuple[str, ...]
    link: str | None
    created_at: str
    created_by: str
    since: str
    disabled_at: str | None = None
    disabled_why: str | None = None

    def wants(self, entry: AuditEntry) -> bool:
        """Whether it receives an audit entry; a test goes to the webhook that is tested."""
        if self.disabled_at is not None or entry.id <= self.since:
            return False
        if entry.action in {TEST, REPLAY}:
            return entry.action == TEST and (entry.after or {}).get("id") == self.id
        return not self.actions or any(
            entry.action == action or entry.action.startswith(f"{action}.") for action in self.actions
        )

    def context(self, tenant: Tenant) -> dict[str, str]:
        """What its sealed strings belong to."""
        return {"burgee": f"{tenant.project}/{tenant.environment}", "webhook": self.id}

    def url(self, vault: Vault, tenant: Tenant) -> str:
        """Its URL, unsealed."""
        return vault.unseal(self.sealed_url, self.context(tenant))

    def keys(self, vault: Vault, tenant: Tenant, now: float) -> list[str]:
        """The secrets in force, unsealed."""
        context = self.context(tenant)
        return [vault.unseal(one.sealed, context) for one in self.secrets if one.in_force(now)]


class Wanted(NamedTuple):
    """A webhook to add."""

    url: str
    kind: Kind = Kind.STANDARD
    name: str = ""
    actions: Sequence[str] = ()
    link: str | None = None


class Made(NamedTuple):
    """A webhook and its new signing secret, which is not shown again; Slack's have none."""

    endpoint: Endpoint
    secret: str | None


def add(store: Store, vault: Vault, wanted: Wanted, act: AuditContext, *, loopback: bool = False) -> Made:
    """Adds a webhook. Raises Refused if its address is not public, or something else about it cannot be."""
    target = parse(wanted.url, loopback=loopback)
    name = wanted.name.strip() or target.host
    if len(name) > MAX_NAME or not name.isprintable():
        raise _refused(f"name: one line of at most {MAX_NAME} characters")
    if len(wanted.actions) > MAX_ACTIONS or not all(_ACTION.fullmatch(one) for one in wanted.actions):
        raise _refused(f"actions: at most {MAX_ACTIONS}, each such as flag or flag.kill")
    if wanted.link is not None:
        parse(wanted.link, loopback=True)
    if len(store.shelf(Shelf.WEBHOOKS)) >= MAX_ENDPOINTS:
        raise Refused("too-many-webhooks", f"there are {MAX_ENDPOINTS} webhooks already; remove one")
    register(store)
    bare = Endpoint(
        secrets.token_hex(8),
        wanted.kind,
        name,
        target.address,
        "",
        (),
        tuple(dict.fromkeys(wanted.actions)),
        None if wanted.link is None else _console(wanted.link),
        format_time(act.now),
        act.author,
        newest(store),
    )
    context = bare.context(store.tenant)
    secret = new_secret() if wanted.kind is Kind.STANDARD else None
    kept = () if secret is None else (Secret(vault.seal(secret, context), bare.created_at),)
    made = replace(bare, sealed_url=vault.seal(wanted.url, context), secrets=kept)
    _keep(store, None, made, act)
    return Made(made, secret)


def rotate(store: Store, vault: Vault, key: str, overlap: float, act: AuditContext) -> Made:
    """Adds a secret; those before it go on signing for `overlap` seconds."""
    old = find(store, key)
    if old.kind is not Kind.STANDARD:
        raise _refused("a Slack webhook has no secret; remove it, and add it with a new URL")
    end = act.now + overlap
    ending = [
        one if one.ends_at is not None and parse_time(one.ends_at) <= end else replace(one, ends_at=format_time(end))
        for one in old.secrets
        if one.in_force(act.now)
    ]
    if len(ending) >= MAX_SECRETS:
        raise _refused(f"{MAX_SECRETS} secrets are in force; wait until one of them ends")
    secret = new_secret()
    first = Secret(vault.seal(secret, old.context(store.tenant)), format_time(act.now))
    made = replace(old, secrets=(first, *ending))
    _keep(store, old, made, act)
    return Made(made, secret)


def enable(store: Store, key: str, act: AuditContext) -> Endpoint:
    """Lets a disabled webhook receive messages again, from now on."""
    old = find(store, key)
    if old.disabled_at is None:
        return old
    made = replace(old, disabled_at=None, disabled_why=None, since=newest(store))
    _keep(store, old, made, act)
    return made


def disable(store: Store, old: Endpoint, why: str, act: AuditContext) -> Endpoint:
    """Stops messages to a webhook."""
    made = replace(old, disabled_at=format_time(act.now), disabled_why=why)
    _keep(store, old, made, act)
    return made


def remove(store: Store, key: str, act: AuditContext) -> None:
    """Removes a webhook, with what waits for it."""
    old = find(store, key)
    put = Put(Shelf.WEBHOOKS, old.id, None, asdict(old))
    store.keep([put, *act.puts], [act.entry(before=public_record(old))])
    waiting = [Put(Shelf.DELIVERIES, one, None, blind=True) for one in store.shelf(Shelf.DELIVERIES, f"{old.id}.")]
    for start in range(0, len(waiting), AT_ONCE):
        store.keep(waiting[start : start + AT_ONCE])


def test(store: Store, key: str, act: AuditContext) -> str:
    """Sends a test message: its audit entry, to this webhook alone. Returns the message's id in the audit log."""
    found = find(store, key)
    require_enabled(found)
    return noted(store, act, {"id": found.id})


def noted(store: Store, act: AuditContext, after: Mapping[str, Any], puts: Sequence[Put] = ()) -> str:
    """Writes an audit entry, and returns its id."""
    before = newest(store)
    store.keep([*puts, *act.puts], [act.entry(after=after)])
    entries = store.audit_after(before)
    return next(one.id for one in entries if one.action == act.action and one.after == after)


def find(store: Store, key: str) -> Endpoint:
    """One webhook. Raises Refused if there is none."""
    record = store.find(Shelf.WEBHOOKS, key)
    if record is None:
        raise Refused("not-found", f"there is no webhook {key!r}")
    return load(record)


def listed(store: Store) -> list[Endpoint]:
    """The tenant's webhooks, oldest first."""
    return sorted(map(load, store.shelf(Shelf.WEBHOOKS).values()), key=lambda one: (one.created_at, one.id))


def require_enabled(found: Endpoint) -> None:
    """Raises Refused for a webhook that is disabled."""
    if found.disabled_at is not None:
        raise Refused(
            "webhook-disabled", f"the webhook {found.id} is disabled: {found.disabled_why}; enable it first"
        )


def public_record(found: Endpoint) -> dict[str, Any]:
    """A webhook as listed: without its URL's path and its secrets."""
    record = asdict(found)
    return {
        **{name: value for name, value in record.items() if name not in {"sealed_url", "secrets", "since"}},
        "secrets": [{"created_at": one.created_at, "ends_at": one.ends_at} for one in found.secrets],
    }


def load(record: Mapping[str, Any]) -> Endpoint:
    """A webhook from its record."""
    kept = tuple(Secret(**one) for one in record["secrets"])
    more = {"kind": Kind(record["kind"]), "secrets": kept, "actions": tuple(record["actions"])}
    return Endpoint(**{**record, **more})


def newest(store: Store) -> str:
    """The id of the newest audit entry; empty if there is none."""
    return next((entry.id for entry in store.audit(limit=1)), "")


def register(store: Store) -> None:
    """Notes that a tenant is to be looked at when its project's messages are sent."""
    _project(store).keep([Put(Shelf.WEBHOOKS, store.tenant.environment, {}, blind=True)])


def registered(store: Store) -> list[Tenant]:
    """The tenants of the store's project that were ever given a webhook."""
    project = store.tenant.project
    return [Tenant(project, environment) for environment in _project(store).shelf(Shelf.WEBHOOKS)]


def _project(store: Store) -> Store:
    return store.at(Tenant(store.tenant.project, _EVERY_ENVIRONMENT))


def _console(link: str) -> str:
    """The address below which the console's pages are, from the service's address or that of any page of it."""
    parts = urlsplit(link)
    segments = [one for one in parts.path.split("/") if one]
    if CONSOLE in segments:
        segments = segments[: segments.index(CONSOLE)]
    return f"{parts.scheme}://{parts.netloc}/{'/'.join([*segments, CONSOLE])}"


def _keep(store: Store, before: Endpoint | None, after: Endpoint, act: AuditContext) -> None:
    put = Put(Shelf.WEBHOOKS, after.id, asdict(after), None if before is None else asdict(before))
    old = None if before is None else public_record(before)
    store.keep([put, *act.puts], [act.entry(before=old, after=public_record(after))])


def _refused(why: str) -> Refused:
    return Refused("invalid-webhook", why)
