"""TLS connections to AWS, which trust Amazon's certificate authorities first.

Loading the system's some 150 authorities takes ten times as long as connecting, and AWS's services need five of them.
"""

from __future__ import annotations

from binascii import a2b_base64
from http.client import HTTPSConnection
from ssl import SSLCertVerificationError, create_default_context, get_default_verify_paths

AMAZON = (b"Amazon Root CA", b"Starfield Services Root Certificate Authority")
"""How the subjects of Amazon's authorities begin: https://www.amazontrust.com/repository/"""


class Tls:
    """Opens connections with one context, so that certificates are loaded once.

    With a `bundle` its authorities are trusted, else the system's: Amazon's among them and, for a server that none
    of those has signed (such as a proxy that inspects TLS), all of them.
    """

    def __init__(self, bundle: str | None = None) -> None:
        self._few = b"" if bundle else _amazons()
        self._context = create_default_context(cafile=bundle or None, cadata=self._few or None)
        self._context.set_alpn_protocols(["http/1.1"])

    def connect(self, address: str, timeout: float) -> HTTPSConnection:
        """A connection to `host:port`. Raises OSError."""
        few = self._few
        connection = HTTPSConnection(address, timeout=timeout, context=self._context)
        try:
            connection.connect()
        except SSLCertVerificationError:
            connection.close()
            if not few:
                raise
            self._few = b""
            self._context.load_default_certs()
            return self.connect(address, timeout)
        except BaseException:
            connection.close()
            raise
        return connection


def _amazons() -> bytes:
    """Amazon's among the system's authorities, in DER; nothing if the system has no file of them all."""
    file = get_default_verify_paths().cafile
    if not file:
        return b""
    with open(file, "rb") as opened:  # noqa: PTH123 - pathlib takes long to import
        _, *blocks = opened.read().split(b"-----BEGIN CERTIFICATE-----")
    try:
        certificates = [a2b_base64(block.partition(b"-----END")[0]) for block in blocks]
    except ValueError:
        return b""
    return b"".join(one for one in certificates if any(name in one for name in AMAZON))
