"""Seals by a key of AWS KMS: who may add webhooks need not be able to read what was added."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from burgee.errors import Corrupt, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "kms:"


class KmsVault:
    """`burgee.webhooks.sealing.Vault` by one key; the context is KMS's encryption context."""

    def __init__(self, key: str, *, client: Any = None) -> None:
        self._key = key
        self._client = client or boto3.client("kms")

    def seal(self, text: str, context: Mapping[str, str]) -> str:
        """The string, encrypted and in base64."""
        try:
            answer = self._client.encrypt(KeyId=self._key, Plaintext=text.encode(), EncryptionContext=dict(context))
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable(f"KMS: {error}") from error
        return _PREFIX + b64encode(answer["CiphertextBlob"]).decode()

    def unseal(self, sealed: str, context: Mapping[str, str]) -> str:
        """The string."""
        if not sealed.startswith(_PREFIX):
            raise Corrupt(
                "a webhook's secret is not encrypted with a key of KMS; remove the webhook and add it again"
            )
        blob = b64decode(sealed.removeprefix(_PREFIX))
        try:
            answer = self._client.decrypt(KeyId=self._key, CiphertextBlob=blob, EncryptionContext=dict(context))
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable(f"KMS: {error}") from error
        return bytes(answer["Plaintext"]).decode()
