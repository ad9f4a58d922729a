"""Sealing by KMS: what was sealed opens for its webhook alone, and nothing that was not sealed is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from burgee.errors import Corrupt, StoreUnavailable
from burgee.stores.sqlite import SqliteStore
from burgee.webhooks import endpoints
from burgee.webhooks.endpoints import Wanted
from burgee.webhooks.kms import KmsVault
from burgee.webhooks.sealing import WithoutKey
from support.dynamodb import CREDENTIALS
from support.webhooks import World, url

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT = {"burgee": "shop/production", "webhook": "0123456789abcdef"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield boto3.client("kms")


@pytest.fixture
def vault(client: Any) -> KmsVault:
    return KmsVault(client.create_key()["KeyMetadata"]["Arn"], client=client)


def test_what_was_sealed_opens_in_its_own_context_alone(vault: KmsVault) -> None:
    sealed = vault.seal("whsec_é", CONTEXT)
    assert sealed.startswith("kms:")
    assert "whsec" not in sealed
    assert vault.unseal(sealed, CONTEXT) == "whsec_é"
    for other in ({**CONTEXT, "webhook": "f" * 16}, {**CONTEXT, "burgee": "shop/staging"}, {}):
        with pytest.raises(StoreUnavailable):
            vault.unseal(sealed, other)


def test_what_was_not_sealed_is_not_taken(vault: KmsVault) -> None:
    for stored in ("whsec_abc", "https://example.com/"):
        with pytest.raises(Corrupt):
            vault.unseal(stored, CONTEXT)


def test_a_key_that_does_not_answer_is_unavailable(client: Any) -> None:
    gone = KmsVault("arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-0000-0000-000000000000", client=client)
    with pytest.raises(StoreUnavailable):
        gone.seal("a", CONTEXT)


def test_a_webhooks_record_has_neither_its_url_nor_its_secret(vault: KmsVault) -> None:
    store = SqliteStore(":memory:")
    world = World(store)
    made = endpoints.add(store, vault, Wanted(url("one")), world.act("webhook.add"))
    record = str(endpoints.find(store, made.endpoint.id))
    assert "hook'" not in record
    assert (made.secret or "") not in record
    assert made.endpoint.url(vault, store.tenant) == url("one")
    assert made.endpoint.keys(vault, store.tenant, world.clock.now) == [made.secret]
    store.close()


def test_without_a_key_nothing_is_sealed_or_opened() -> None:
    for turn in (WithoutKey().seal, WithoutKey().unseal):
        with pytest.raises(StoreUnavailable):
            turn("a", CONTEXT)
