"""Shared setup of the handlers: the environment, read once, and the resources that it names."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from burgee.serving.bundle import Bundle, load_bundle
from burgee.serving.serving import PATIENCE_SECONDS, Serving
from burgee.stores import Tenant
from burgee.web.front import Setup
from burgee.web.gateway import parse_base_paths, vouching
from burgee.web.telemetry import Metrics, RequestLog, spans, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from burgee.events.recorder import Recorder
    from burgee.events.usage import UsageCounter
    from burgee.stores import Store
    from burgee.web.front import Front
    from burgee.web.telemetry import Summary
    from burgee.webhooks.sealing import Vault

TABLE = os.environ.get("BURGEE_TABLE", "")
TENANT = Tenant(os.environ.get("BURGEE_PROJECT", "default"), os.environ.get("BURGEE_ENVIRONMENT") or "default")
REFRESH_SECONDS = float(os.environ.get("BURGEE_REFRESH_SECONDS", "10"))
STREAM = os.environ.get("BURGEE_EVENT_STREAM", "")
DEAD_LETTERS = os.environ.get("BURGEE_DEAD_LETTERS", "")
UNIT_SECRET = os.environ.get("BURGEE_UNIT_SECRET", "")
LOG_LEVEL = os.environ.get("BURGEE_LOG_LEVEL", "INFO")
ACCESS = os.environ.get("BURGEE_ACCESS", "keys")
WEBHOOK_KEY = os.environ.get("BURGEE_WEBHOOK_KEY", "")
BASE_PATHS = parse_base_paths(os.environ.get("BURGEE_BASE_PATH", ""))
# Not with pathlib, which takes as long to import as most of this project's modules.
RELEASE = os.path.join(os.path.dirname(__file__), "../../release.json")  # noqa: PTH118, PTH120


def bundled() -> Bundle | None:
    """The release that `burgee build` put at the root of the package."""
    try:
        with open(RELEASE, "rb") as file:  # noqa: PTH123
            return load_bundle(file.read())
    except FileNotFoundError:
        return None


def table() -> Store:
    """The table through botocore, which is imported only here."""
    from burgee.stores.dynamodb import DynamoDbStore

    # At DEBUG it logs all requests, which contain user identifiers.
    logging.getLogger("botocore").setLevel(logging.INFO)
    return DynamoDbStore(TABLE, TENANT)


def polled_table() -> Store:
    """The table for a function that only polls it; does not import botocore."""
    from burgee.stores.dynamodb import DynamoDbStore
    from burgee.stores.dynamodb_http import Wire

    return DynamoDbStore(TABLE, TENANT, client=Wire(os.environ))


def snapshots(serving: Serving, store: Store | None) -> None:
    """SnapStart hooks: many functions resume from one snapshot, at a later time and with other credentials."""
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot
    except ImportError:  # not on Lambda
        return

    def restored() -> None:
        import random

        random.seed()  # otherwise all would poll at the same time
        serving.refresh()

    if store is not None:
        register_before_snapshot(store.close)
    register_after_restore(restored)


def setup(store: Store | None, access: str) -> Setup:
    """How callers are authenticated: `keys`, API Gateway (`iam`, `jwt`), or not at all (`open`)."""
    if access not in {"keys", "iam", "jwt", "open"}:
        raise ValueError(f"BURGEE_ACCESS is {access!r}; it may be keys, iam, jwt or open")
    ring = None
    if store is not None and access == "keys":
        from burgee.access.key_cache import KeyRing

        ring = KeyRing(store, project=TENANT.project)
    watchers: list[Callable[[Summary], None]] = [
        RequestLog(sys.stdout.write, every=LOG_LEVEL == "DEBUG"),
        Metrics(sys.stdout.write, function=os.environ.get("AWS_LAMBDA_FUNCTION_NAME")),
    ]
    if os.environ.get("BURGEE_OTEL") == "true":
        watchers.append(spans())
    recording = recorder()
    return Setup(
        ring=ring,
        vouched=vouching(access, TENANT),
        watch=together(*watchers),
        recorder=recording,
        usage=usage(recording),
        vault=vault(),
        origin_secret=os.environ.get("BURGEE_ORIGIN_SECRET", ""),
    )


def vault() -> Vault | None:
    """How webhooks are sealed; None where there are none."""
    if not WEBHOOK_KEY:
        return None
    from burgee.webhooks.kms import KmsVault

    return KmsVault(WEBHOOK_KEY)


def serving(store: Store | None) -> Serving:
    """The flags of a store; those of the package until the store has answered."""
    bundle = bundled()
    snapshot = bundle.snapshot if bundle else None
    return Serving(store, snapshot, refresh_seconds=REFRESH_SECONDS, patience=PATIENCE_SECONDS, evaluator="lambda")


def recorder() -> Recorder | None:
    """The recorder that writes exposures and events to Firehose; None if there is no stream."""
    if not STREAM:
        return None
    from burgee.events.firehose_sink import DeadLetters, FirehoseSink
    from burgee.events.recorder import Recorder
    from burgee.events.records import Pseudonyms, RecordScope

    pseudonyms = Pseudonyms.parse(UNIT_SECRET) if UNIT_SECRET else None
    sink = FirehoseSink(STREAM, dead_letters=DeadLetters(DEAD_LETTERS))
    return Recorder(sink, RecordScope(TENANT.project, TENANT.environment, pseudonyms))


def usage(recorder: Recorder | None) -> UsageCounter | None:
    """What counts answers, for the same stream as exposures."""
    if recorder is None:
        return None
    from burgee.events.usage import Queued, UsageCounter

    return UsageCounter(Queued(recorder), recorder.scope, threaded=False)


def draining(app: Front) -> ASGIApp:
    """The application, which writes its records before Lambda freezes it."""
    if app.recorder is None:
        return app
    from burgee.web.exposures import Draining

    return Draining(app, app.recorder, app.usage)
