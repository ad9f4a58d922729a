"""API keys: their permissions, creation, rotation and revocation, and how a token is checked.

    burgee_server_shop/production_0123456789abcdef_{64 hexadecimal digits}
           kind   project/environment  id           256 random bits

A token names its tenant, so a lookup touches only that tenant's records. The secret is shown once. The store holds
the SHA-256 of the whole token; 256 random bits need no salt and no slow hash.
"""

from __future__ import annotations

import re
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from burgee.errors import Corrupt, Refused
from burgee.records import NamedTuple, asdict, dataclass, replace
from burgee.stores import Put, Shelf, Tenant
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.stores import Store
    from burgee.stores.audit import AuditContext

_PART = r"[A-Za-z0-9._-]{1,64}"
_TOKEN = re.compile(
    rf"burgee_(?P<kind>client|server|admin)_(?P<project>{_PART})/(?P<environment>{_PART})"
    r"_(?P<id>[0-9a-f]{16})_[0-9a-f]{64}",
    re.ASCII,
)
LONGEST = 240
"""Maximum length of a token."""
MAX_KEYS = 1000
"""Maximum number of active keys per tenant."""
ENDED_SECONDS = 90 * 86_400
"""Seconds for which a revoked or expired key is still listed."""


class Kind(StrEnum):
    """Who uses the key: a browser or app, a server, or an operator."""

    CLIENT = "client"
    SERVER = "server"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an admin key may do; one that reads, writes and releases also keeps keys, settings and webhooks.

    `metrics` is for what scrapes `/metrics`, and allows nothing else.
    """

    READ = "read"
    PROPOSE = "propose"
    KILL = "kill"
    WRITE = "write"
    RELEASE = "release"
    WEBHOOKS = "webhooks"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Key:
    """A key's record. Times are RFC 3339 in UTC; `replaces` is the id of the key that it was rotated from."""

    id: str
    kind: Kind
    name: str
    scopes: tuple[Scope, ...]
    digest: str
    created_at: str
    created_by: str
    expires_at: str | None = None
    revoked_at: str | None = None
    replaces: str | None = None

    def fault(self, now: float) -> str | None:
        """Why the key is no longer valid; None if it is valid."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and parse_time(self.expires_at) <= now:
            return "expired"
        return None

    def opens(self, token: str) -> bool:
        """Whether the token belongs to this key; compared in constant time."""
        return compare_digest(digest(token).encode(), self.digest.encode())


_FIELDS = Key.__match_args__


class Named(NamedTuple):
    """The parts of a token; untrusted until its key has been checked."""

    kind: Kind
    tenant: Tenant
    id: str


class Made(NamedTuple):
    """A new key and its token; the token cannot be shown again."""

    key: Key
    token: str


def digest(token: str) -> str:
    """The digest that is stored of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def named(token: str) -> Named | None:
    """The parts of a token; None if the string is not a token."""
    match = _TOKEN.fullmatch(token) if len(token) <= LONGEST else None
    if match is None:
        return None
    return Named(Kind(match["kind"]), Tenant(match["project"], match["environment"]), match["id"])


def find(store: Store, key: str) -> Key | None:
    """One key of a tenant; None if there is none."""
    record = store.find(Shelf.KEYS, key)
    return None if record is None else _load(record)


def listed(store: Store) -> list[tuple[Key, str | None]]:
    """The tenant's keys, oldest first, and when each was last seen (accurate to about ten minutes)."""
    used = store.shelf(Shelf.USE)
    keys = sorted((_load(record) for record in store.shelf(Shelf.KEYS).values()), key=lambda key: key.created_at)
    return [(key, used.get(key.id, {}).get("at")) for key in keys]


def create(store: Store, kind: Kind, name: str, act: AuditContext, scopes: tuple[Scope, ...] = ()) -> Made:
    """Creates a key of the store's tenant. Only admin keys have scopes; without any they can read."""
    if kind is not Kind.ADMIN and scopes:
        raise Refused("invalid-key", f"a {kind} key evaluates; only admin keys have scopes")
    working = [key for key in map(_load, store.shelf(Shelf.KEYS).values()) if key.fault(act.now) is None]
    if len(working) >= MAX_KEYS:
        raise Refused("too-many-keys", f"there are {MAX_KEYS:,} working keys already; revoke some")
    wanted = tuple(scope for scope in Scope if scope in (scopes or (Scope.READ,))) if kind is Kind.ADMIN else ()
    made = _make(store.tenant, Key("", kind, name, wanted, "", "", "", act.until), act)
    store.keep([_put(None, made.key), *act.puts], [act.entry(after=public_record(made.key))])
    return made


def rotate(store: Store, key: str, overlap: float, act: AuditContext) -> Made:
    """Replaces a key; the old one stays valid for `overlap` seconds. Raises Refused if the old key is not valid."""
    old = _working(store, key, act.now)
    made = _make(store.tenant, replace(old, replaces=old.id), act)
    end = format_time(act.now + overlap)
    if old.expires_at is not None and parse_time(old.expires_at) < parse_time(end):
        end = old.expires_at
    ending = replace(old, expires_at=end)
    entry = act.entry(before=public_record(old), after=public_record(made.key))
    store.keep([_put(old, ending), _put(None, made.key), *act.puts], [entry])
    return made


def revoke(store: Store, key: str, act: AuditContext) -> Key:
    """Revokes a key; every process refuses it within a minute. Raises Refused if there is no such key."""
    old = find(store, key)
    if old is None:
        raise Refused("not-found", f"there is no key {key!r}")
    if old.revoked_at is not None:
        return old
    gone = replace(old, revoked_at=format_time(act.now))
    store.keep([_put(old, gone), *act.puts], [act.entry(before=public_record(old), after=public_record(gone))])
    return gone


def public_record(key: Key) -> dict[str, Any]:
    """A key as listed: without its digest."""
    return {name: value for name, value in asdict(key).items() if name != "digest"}


def _working(store: Store, key: str, now: float) -> Key:
    old = find(store, key)
    if old is None:
        raise Refused("not-found", f"there is no key {key!r}")
    fault = old.fault(now)
    if fault is not None:
        raise Refused("invalid-key", f"the key {key} is {fault}")
    return old


def _make(tenant: Tenant, like: Key, act: AuditContext) -> Made:
    """A copy of a key with a new id and secret."""
    import secrets  # the evaluation functions create no keys

    key = secrets.token_hex(8)
    where = f"{tenant.project}/{tenant.environment}"
    token = f"burgee_{like.kind}_{where}_{key}_{secrets.token_hex(32)}"
    if named(token) is None:
        raise Refused("invalid-key", f"{where} cannot be in a key: each is 1 to 64 letters, digits, '.', '_', '-'")
    made = replace(
        like, id=key, digest=digest(token), created_at=format_time(act.now), created_by=act.author, revoked_at=None
    )
    return Made(made, token)


def _put(before: Key | None, after: Key) -> Put:
    ends = [parse_time(end) for end in (after.revoked_at, after.expires_at) if end is not None]
    until = min(ends) + ENDED_SECONDS if ends else None
    return Put(Shelf.KEYS, after.id, asdict(after), None if before is None else asdict(before), until=until)


def _load(record: Mapping[str, Any]) -> Key:
    """Parses a key's record, ignoring fields of newer versions. Raises Corrupt if it does not parse."""
    try:
        known = {name: record[name] for name in _FIELDS if name in record}
        scopes = tuple(scope for scope in Scope if scope in record["scopes"])
        key = Key(**{**known, "kind": Kind(record["kind"]), "scopes": scopes})
        key.fault(0.0)
        key.opens("")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Corrupt(f"the record of a key does not parse: {type(error).__name__}") from error
    return key
