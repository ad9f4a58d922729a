"""The custom resource: what an update, a rollback and a deletion of the stack do to the flags."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind
from burgee.errors import Corrupt, Refused
from burgee.releases.deploy import live, write
from burgee.releases.overrides import lay
from burgee.releases.stack_loader import load
from burgee.serving.bundle import Bundle, dump_bundle, load_bundle
from burgee.stores import Origin, Tenant
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS, ministack
from support.keys import ALL, token
from support.lambda_runtime import FUNCTIONS, CloudFormation, emulator, event, function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_795_500_000.0


def bundle(**flags: Any) -> Bundle:
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
    return Bundle(snapshot, Origin("abc", "ada", "change"))


ON, OFF = {"status": True}, {"status": False}


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    yield store
    store.close()


def override(store: Any, flag: str, definition: Any) -> None:
    write(
        store, lambda state, snapshot: lay(state, snapshot, flag, definition, AuditContext("set", "bob", "why", NOW))
    )


def test_an_update_makes_the_bundle_live_once(store: SqliteStore) -> None:
    assert load(store, bundle(a=ON), {}, NOW) == "release 1 is live"
    assert load(store, bundle(a=ON), {}, NOW) == "nothing changed"
    assert store.release(1).origin == Origin("abc", "ada", "change")


@pytest.mark.parametrize("share", ["nan", "inf", "-inf", "ten", "", "100", "-1", [], {"Ref": "Canary"}])
def test_a_canary_is_a_percentage(store: SqliteStore, share: Any) -> None:
    load(store, bundle(a=ON), {}, NOW)
    with pytest.raises(Refused, match=r"percentage|more than 0 and less than 100"):
        load(store, bundle(a=OFF), {"Canary": share}, NOW)
    assert store.pointer().version == 1


def test_a_rollback_restores_the_former_release_with_its_names_and_keeps_overrides(store: SqliteStore) -> None:
    load(store, bundle(a=ON, gone=ON), {}, NOW)
    load(store, bundle(a=OFF), {}, NOW)
    override(store, "a", {"status": True, "rollout_percentage": 5})
    assert load(store, bundle(a=ON, gone=ON), {}, NOW) == "release 1 is live again"
    state, current = live(store)
    assert set(current["flags"]) == {"a", "gone"}
    assert set(state.overrides) == {"a"}
    assert state.retired == {}


def test_a_conflict_is_refused_and_can_be_agreed_to(store: SqliteStore) -> None:
    load(store, bundle(a=ON), {}, NOW)
    override(store, "a", OFF)
    changed = bundle(a={"status": True, "rollout_percentage": 5})
    with pytest.raises(Refused, match="a: changed in Git"):
        load(store, changed, {}, NOW)
    assert load(store, changed, {"Overrides": "discard"}, NOW) == "release 2 is live"
    with pytest.raises(Refused, match="not 'perhaps'"):
        load(store, changed, {"Overrides": "perhaps"}, NOW)


def test_after_the_first_deploy_apply_releases_unless_every_deploy_does(store: SqliteStore) -> None:
    first = {"LoadFlags": "first-deploy"}
    assert load(store, bundle(a=ON), first, NOW) == "release 1 is live"
    assert load(store, bundle(a=OFF), first, NOW).startswith("nothing changed: release 1 is live")
    assert store.pointer().version == 1
    assert load(store, bundle(a=OFF), {"LoadFlags": "every-deploy"}, NOW) == "release 2 is live"
    with pytest.raises(Refused, match="LoadFlags is first-deploy or every-deploy"):
        load(store, bundle(a=ON), {"LoadFlags": "sometimes"}, NOW)


def test_properties_come_as_texts(store: SqliteStore) -> None:
    load(store, bundle(a=ON, b=ON), {}, NOW)
    load(store, bundle(a=ON), {}, NOW)
    with pytest.raises(Refused, match="--reuse"):
        load(store, bundle(a=ON, b=OFF), {"Reuse": "false"}, NOW)
    assert load(store, bundle(a=ON, b=OFF), {"Reuse": "true"}, NOW) == "release 3 is live"


def test_a_bundle_comes_back_as_it_was() -> None:
    whole = bundle(a={"variants": {"x": 5, "y": 5.0, "z": "ü"}, "default": {"split": {"y": 1, "x": 2}}})
    again = load_bundle(dump_bundle(whole))
    assert json.dumps(again.snapshot) == json.dumps(whole.snapshot)
    assert again.origin == whole.origin
    for damage in (b"", b"{}", b"[]", b'{"origin": {}, "snapshot": {"format": 9}}', b'{"origin": 1, "snapshot": 2}'):
        with pytest.raises(Corrupt):
            load_bundle(damage)


@pytest.mark.sam
@pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64")
def test_the_three_handlers_on_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader releases, the evaluator serves it, the manager overrides it, the evaluator notices; all for real."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    code = tmp_path / "package"
    shutil.copytree(FUNCTIONS, code, ignore=shutil.ignore_patterns("__pycache__", "release.json"))
    (code / "release.json").write_bytes(dump_bundle(bundle(checkout_button=ON)))
    cloudformation = CloudFormation()
    with ministack(tmp_path) as url:
        store = DynamoDbStore("flags", Tenant("shop", "production"), endpoint_url=url)
        store.create_table()
        environment = {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": url,
            "BURGEE_TABLE": "flags",
            "BURGEE_PROJECT": "shop",
            "BURGEE_ENVIRONMENT": "production",
            "BURGEE_REFRESH_SECONDS": "0",
        }
        with function("burgee.handlers.load.handler", code, tmp_path / "load.log", environment) as loader:
            loader(cloudformation.request("Create"))
            loader(cloudformation.request("Update"))
            loader(cloudformation.request("Delete"))
        reported = [(one["Status"], one["Reason"], one["PhysicalResourceId"]) for one in cloudformation.reported]
        assert reported == [
            ("SUCCESS", "release 1 is live", "burgee:shop:production"),
            ("SUCCESS", "nothing changed", "burgee:shop:production"),
            ("SUCCESS", "", "burgee:shop:production"),
        ]
        assert store.pointer().version == 1, "a deleted stack leaves the flags"

        with (
            function("burgee.handlers.evaluate.handler", code, tmp_path / "evaluate.log", environment) as evaluate,
            function("burgee.handlers.manage.handler", code, tmp_path / "manage.log", environment) as manage,
        ):
            ask, put = event("http-api-user-flag"), event("http-api-put-flag")
            assert (evaluate(ask)["statusCode"], manage(put)["statusCode"]) == (401, 401)
            ask["headers"]["authorization"] = f"Bearer {token(store, Kind.SERVER)}"
            put["headers"] |= {"x-api-key": token(store, Kind.ADMIN, *ALL), "x-burgee-reason": "it blinks"}
            assert json.loads(evaluate(ask)["body"])["enabled"] is True
            assert manage(put)["statusCode"] == 200
            assert json.loads(evaluate(ask)["body"])["enabled"] is False

        override(store, "checkout_button", {"status": False, "owner": "bob"})
        (code / "release.json").write_bytes(dump_bundle(bundle(checkout_button={**ON, "owner": "ada"})))
        with function("burgee.handlers.load.handler", code, tmp_path / "load.log", environment) as loader:
            loader(cloudformation.request("Update"))
        assert cloudformation.reported[-1]["Status"] == "FAILED"
        assert "checkout_button: changed in Git" in cloudformation.reported[-1]["Reason"]
        assert store.pointer().version == 1
        store.close()
    cloudformation.shutdown()
    cloudformation.server_close()


@pytest.mark.sam
@pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64")
def test_a_cold_start_without_its_table_serves_the_package(tmp_path: Path) -> None:
    code = tmp_path / "package"
    shutil.copytree(FUNCTIONS, code, ignore=shutil.ignore_patterns("__pycache__", "release.json"))
    (code / "release.json").write_bytes(dump_bundle(bundle(checkout_button=ON)))
    environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "BURGEE_TABLE": "flags"}
    with function("burgee.handlers.evaluate.handler", code, tmp_path / "keyed.log", environment) as evaluate:
        ask = event("http-api-user-flag")
        ask["headers"]["x-api-key"] = f"burgee_server_default/default_{'0' * 16}_{'0' * 64}"
        assert evaluate(ask)["statusCode"] == 503, "a key that cannot be checked opens nothing"
    environment["BURGEE_ACCESS"] = "open"
    with function("burgee.handlers.evaluate.handler", code, tmp_path / "log", environment) as evaluate:
        assert json.loads(evaluate(event("http-api-user-flag"))["body"])["enabled"] is True
        health = json.loads(evaluate(event("http-api-health"))["body"])
    assert (health["status"], health["source"]) == ("healthy", "bundled")
    assert "StoreUnavailable" in health["error"]
