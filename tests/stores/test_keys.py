"""Keys on every store: made, listed, rotated, revoked; bound to their tenant."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from burgee.access.keys import Kind, Scope, create, find, listed, named, revoke, rotate
from burgee.errors import Refused
from burgee.stores import Shelf, Tenant
from burgee.times import format_time
from support.keys import ALL, FAR, HOME, OTHER, act

if TYPE_CHECKING:
    from burgee.stores import Store
    from support.stores import Open


def test_a_key_opens_with_its_token_and_only_a_digest_is_kept(open_store: Open) -> None:
    made = create(open_store(HOME), Kind.ADMIN, "ada", act("key.create"), (Scope.WRITE, Scope.READ))
    found = find(open_store(HOME), made.key.id)
    assert found == made.key
    assert found.opens(made.token)
    assert not found.opens(made.token[:-1] + "x")
    assert (found.scopes, found.created_by, found.fault(2e9)) == ((Scope.READ, Scope.WRITE), "ada", None)
    assert named(made.token) == (Kind.ADMIN, HOME, made.key.id)
    kept = json.dumps(dict(open_store(HOME).shelf(Shelf.KEYS)))
    secret = made.token.rpartition("_")[2]
    assert len(bytes.fromhex(secret)) * 8 == 256
    assert secret not in kept
    assert sha256(made.token.encode()).hexdigest() in kept
    (entry,) = open_store(HOME).audit()
    assert (entry.action, entry.actor) == ("key.create", "ada")
    assert secret not in repr(entry)
    assert found.digest not in repr(entry)


def test_no_two_tokens_are_alike(open_store: Open) -> None:
    store = open_store(HOME)
    made = [create(store, Kind.CLIENT, "app", act()) for _ in range(20)]
    assert len({one.token for one in made}) == len({one.key.id for one in made}) == 20
    assert [key.id for key, _ in listed(store)].sort() == [one.key.id for one in made].sort()


def test_a_revoked_key_stays_revoked_and_listed(open_store: Open) -> None:
    store = open_store(HOME)
    made = create(store, Kind.SERVER, "app", act())
    gone = revoke(store, made.key.id, act("key.revoke"))
    assert gone.fault(0) == "revoked"
    assert revoke(store, made.key.id, act("key.revoke")) == gone
    assert [key for key, _ in listed(store)] == [gone]
    with pytest.raises(Refused, match="revoked"):
        rotate(store, made.key.id, 60, act("key.rotate"))
    with pytest.raises(Refused, match="there is no key"):
        revoke(store, "0" * 16, act("key.revoke"))


def test_rotating_lets_both_work_for_the_overlap(open_store: Open) -> None:
    store = open_store(HOME)
    old = create(store, Kind.ADMIN, "ops", act(), ALL).key
    moment = act("key.rotate")
    new = rotate(store, old.id, 3600, moment)
    ending = find(store, old.id)
    assert ending is not None
    assert (ending.fault(moment.now + 3599), ending.fault(moment.now + 3601)) == (None, "expired")
    assert (new.key.kind, new.key.scopes, new.key.name, new.key.replaces) == (old.kind, old.scopes, old.name, old.id)
    assert new.key.expires_at is None
    assert new.key.opens(new.token)
    assert not ending.opens(new.token)


def test_rotating_makes_no_key_live_longer(open_store: Open) -> None:
    store = open_store(HOME)
    until = "2099-01-01T00:00:00Z"
    old = create(store, Kind.SERVER, "app", act(until=until)).key
    new = rotate(store, old.id, 3000 * 86400 * 20, act()).key
    ending = find(store, old.id)
    assert (ending and ending.expires_at, new.expires_at) == (until, until)


def test_keys_are_of_their_tenant_alone(open_store: Open) -> None:
    made = create(open_store(HOME), Kind.SERVER, "app", act())
    for tenant in (OTHER, FAR):
        store = open_store(tenant)
        assert find(store, made.key.id) is None
        assert listed(store) == []
        with pytest.raises(Refused, match="there is no key"):
            revoke(store, made.key.id, act())
        with pytest.raises(Refused, match="there is no key"):
            rotate(store, made.key.id, 60, act())
    assert find(open_store(HOME), made.key.id) == made.key


def test_what_cannot_be_is_refused(open_store: Open) -> None:
    store = open_store(HOME)
    with pytest.raises(Refused, match="only admin keys have scopes"):
        create(store, Kind.SERVER, "app", act(), ALL)
    with pytest.raises(Refused, match="cannot be in a key"):
        create(open_store(Tenant("a/b", "c")), Kind.SERVER, "app", act())
    assert listed(store) == []
    assert create(store, Kind.ADMIN, "app", act()).key.scopes == (Scope.READ,)


def test_as_many_keys_as_work_at_once_are_bounded_and_not_those_ever_made(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burgee.access.keys.MAX_KEYS", 3)
    made = [create(store, Kind.SERVER, "one", act("key.create")).key for _ in range(3)]
    with pytest.raises(Refused, match="3 working keys"):
        create(store, Kind.SERVER, "one", act("key.create"))
    revoke(store, made[0].id, act("key.revoke"))
    create(store, Kind.SERVER, "one", act("key.create")._replace(until=format_time(act("x").now + 60)))
    later = act("key.create")._replace(now=act("x").now + 61)
    create(store, Kind.SERVER, "one", later)
    with pytest.raises(Refused, match="3 working keys"):
        create(store, Kind.SERVER, "one", later)
    assert len(listed(store)) == 5
