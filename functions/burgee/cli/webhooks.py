"""What commands and `burgee serve` need for webhooks: how secrets are sealed, and the tasks beside requests."""

from __future__ import annotations

import os
import sys
from threading import Thread
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from threading import Event

    from burgee.cli.stores import StoreOptions
    from burgee.stores import Store
    from burgee.webhooks.sealing import Vault

KEY = "BURGEE_WEBHOOK_KEY"


def vault_of(where: StoreOptions) -> Vault | None:
    """How a store's webhooks are sealed: those of a table by a key of AWS KMS; None if the environment names none."""
    if where.table is None:
        from burgee.webhooks.sealing import Unsealed

        return Unsealed()
    key = os.environ.get(KEY)
    if not key:
        return None
    from burgee.webhooks.kms import KmsVault

    return KmsVault(key)


def require_vault(where: StoreOptions) -> Vault:
    """The same, or a usage error."""
    vault = vault_of(where)
    if vault is None:
        message = f"secrets of a table's webhooks are encrypted: set {KEY} to the ARN of the key of AWS KMS"
        raise typer.BadParameter(message, param_hint="--table")
    return vault


def begin(store: Store, where: StoreOptions, stop: Event, *, loopback: bool) -> None:
    """Begins the tasks beside requests, until stopped: they write down what ends, and send webhooks."""
    from burgee.web.dry_run import effect_in_words
    from burgee.webhooks.background import Background
    from burgee.webhooks.outbox import Deps
    from burgee.webhooks.sealing import WithoutKey
    from burgee.webhooks.sending import Sender

    def log(line: str) -> None:
        print(line, file=sys.stderr)  # noqa: T201 - one line of JSON for each attempt, as Lambda logs it

    deps = Deps(Sender(loopback=loopback), vault_of(where) or WithoutKey(), effect_in_words, log=log)
    Thread(target=Background(store, deps).run, args=(stop,), name="background", daemon=True).start()
