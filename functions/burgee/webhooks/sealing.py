"""How a webhook's URL and signing secrets are kept: a sender must be able to read them, and nobody else should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from burgee.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping


class Vault(Protocol):
    """Encrypts short strings. `context` names what a string belongs to: it opens nowhere else."""

    def seal(self, text: str, context: Mapping[str, str]) -> str:
        """The string as it is stored."""

    def unseal(self, sealed: str, context: Mapping[str, str]) -> str:
        """The string. Raises StoreUnavailable if it cannot be opened now, Corrupt if it never can."""


class Unsealed:
    """For the embedded store: strings as they are, protected as its file is."""

    def seal(self, text: str, context: Mapping[str, str]) -> str:  # noqa: ARG002 - the protocol's
        """The string."""
        return text

    def unseal(self, sealed: str, context: Mapping[str, str]) -> str:  # noqa: ARG002 - the protocol's
        """The string."""
        return sealed


class WithoutKey:
    """Where no key is set: nothing can be sealed or opened, and what waits goes on waiting."""

    def seal(self, text: str, context: Mapping[str, str]) -> str:  # noqa: ARG002 - the protocol's
        """Raises StoreUnavailable."""
        raise StoreUnavailable("no key of AWS KMS is set for webhooks")

    def unseal(self, sealed: str, context: Mapping[str, str]) -> str:  # noqa: ARG002 - the protocol's
        """Raises StoreUnavailable."""
        raise StoreUnavailable("no key of AWS KMS is set for webhooks")
