from __future__ import annotations

import pytest

from burgee.access.keys import Kind, Scope
from burgee.evaluation.snapshots import EMPTY
from burgee.releases.deploy import Consent, apply
from burgee.stores import Origin
from burgee.stores.sqlite import SqliteStore
from support.keys import HOME, act, bearer, service, token
from support.markup import text_of


@pytest.mark.parametrize("origin", [None, Origin(), Origin(commit="0123456789abcdef")])
def test_the_foot_says_what_is_served_and_who_is_here(origin: Origin | None) -> None:
    store = SqliteStore(":memory:", HOME)
    if origin is not None:
        apply(store, EMPTY, origin, act(), Consent(empty=True))
    for client, who in (
        (service(store, ring=None), "anyone on this machine everything, without a key"),
        (service(store), "the admin read, propose, kill, write"),
    ):
        client.headers.update(bearer(token(store, Kind.ADMIN, Scope.READ, Scope.WRITE)))
        page = text_of(client.get("/fragments/frame").text)
        assert who in page
        assert ("Release 1" if origin else "Release 0") in page
        assert ("01234567" in page) is bool(origin and origin.commit)
    store.close()
