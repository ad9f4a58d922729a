"""Signatures, held to the specification's own libraries for Python and JavaScript."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from burgee.stores.sqlite import SqliteStore
from burgee.webhooks import endpoints
from burgee.webhooks.endpoints import Wanted
from burgee.webhooks.sealing import Unsealed
from burgee.webhooks.signing import new_secret, signed
from support.webhooks import World, url

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = Path(__file__).parents[1] / "clients"
SECRETS = [new_secret() for _ in range(3)]
BODY = json.dumps({"type": "flag.kill", "data": {"reason": "Grüße 👩‍🚀 é"}}, ensure_ascii=False).encode()


@pytest.fixture
def world() -> Iterator[World]:
    store = SqliteStore(":memory:")
    yield World(store)
    store.close()


def test_the_specifications_own_example() -> None:
    """From the specification's test vector: secret, id, time and body with their signature."""
    fields = signed(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330.9,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert fields == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", SECRETS[:2], ids=["first", "second"])
def test_the_python_library_verifies_by_each_secret_and_by_no_other(secret: str) -> None:
    fields = signed("evt_1", time.time(), BODY, SECRETS[:2])
    assert Webhook(secret).verify(BODY, fields) == json.loads(BODY)
    for wrong in (signed("evt_2", time.time(), BODY, [SECRETS[2]]), {**fields, "webhook-id": "evt_2"}):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(BODY, wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", fields)


def test_the_javascript_library_verifies(tmp_path: Path) -> None:
    """The same message under two secrets; the script says which of three verify it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no Node here; CI has it")
    version = json.loads((CLIENTS / "package.json").read_text(encoding="utf-8"))["dependencies"]["standardwebhooks"]
    shutil.copy(CLIENTS / "verify.mjs", tmp_path)
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"standardwebhooks@{version}"]
    installed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the library: {installed.stderr[:200]}")
    fields = signed("evt_1", time.time(), BODY, SECRETS[:2])
    asked = json.dumps({"secrets": SECRETS, "fields": fields, "body": BODY.decode()})
    ran = subprocess.run(
        ["node", "verify.mjs"], cwd=tmp_path, input=asked, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [json.loads(BODY), json.loads(BODY), None]


def verified(world: World, secret: str) -> list[Any]:
    """Which of the messages that came a receiver with this secret accepts, by the library, whatever the time is."""
    found = []
    for one in world.receivers.received[url("one")]:
        body = json.dumps(one.body, separators=(",", ":"), ensure_ascii=False)
        stamp = int(one.fields["webhook-timestamp"])
        signature = Webhook(secret).sign(one.fields["webhook-id"], datetime.fromtimestamp(stamp, UTC), body)
        found.append(signature in one.fields["webhook-signature"].split(" "))
    return found


def test_both_secrets_sign_while_they_overlap_and_the_new_one_alone_afterwards(world: World) -> None:
    act = world.act("webhook.add")
    made = endpoints.add(world.store, Unsealed(), Wanted(url("one")), act)
    old = made.secret or ""
    world.run()
    new = endpoints.rotate(world.store, Unsealed(), made.endpoint.id, 3_600, world.act("webhook.rotate")).secret or ""
    world.run()
    world.clock.now += 3_601
    world.change()
    world.run()
    assert (verified(world, old), verified(world, new)) == ([True, True, False], [False, True, True])
    assert len(endpoints.find(world.store, made.endpoint.id).secrets) == 2


def test_a_secret_has_the_size_and_the_form_of_the_specification() -> None:
    assert new_secret() != new_secret()
    assert 24 <= len(b64decode(new_secret().removeprefix("whsec_"), validate=True)) <= 64
