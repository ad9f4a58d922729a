"""Which addresses a webhook may have: public ones, by HTTPS.

A sender inside a network must not be a way into it. So an address is checked when it is given, as written, and again
when it is used, after DNS: a sender connects to the address that was checked, never to the name.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from burgee.errors import Refused

MAX_URL = 2_000
LEAST_PORT = 1_024
"""Below it only 443 is allowed: the other well-known ports are those of other services."""
HTTPS = 443
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
"""The characters of RFC 3986."""
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*")
_INTERNAL = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "onion", "test", "invalid")
"""Last labels that no public name has."""

# Special-purpose addresses that are not reachable from everywhere: IANA's registry (RFC 6890 and its updates).
_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")
"""A network without IPv4 reaches IPv4 addresses through it: the address inside decides."""


class Target(NamedTuple):
    """The parts of a webhook's URL that a request needs."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_loopback(self) -> bool:
        """Whether it names this machine."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """The URL without its path, which may hold a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port == HTTPS else f':{self.port}'}"


def parse(url: str, *, loopback: bool = False) -> Target:
    """The target of a webhook's URL. Raises Refused if it is not a public HTTPS address.

    With `loopback`, addresses of this machine are accepted too, and for those also HTTP.
    """
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        raise _refused(f"a URL has 1 to {MAX_URL:,} of the characters of RFC 3986")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise _refused(str(error)) from error
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("a URL has neither a user nor a fragment")
    scheme = parts.scheme
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(scheme, host, (HTTPS if scheme == "https" else 80) if port is None else port, path)
    if loopback and target.is_loopback and scheme in {"http", "https"}:
        return target
    if target.is_loopback:
        raise _refused(
            "it is on this machine: `burgee webhooks add` adds it, and `burgee serve --local-webhooks` sends to it"
        )
    if scheme != "https":
        raise _refused("only https")
    if target.port != HTTPS and target.port < LEAST_PORT:
        raise _refused(f"the port is {HTTPS}, or at least {LEAST_PORT:,}")
    _require_public_host(host)
    return target


def _require_public_host(host: str) -> None:
    if ":" in host:
        try:
            address = IPv6Address(host)
        except ValueError as error:
            raise _refused(f"{host!r} is not an IPv6 address") from error
        _require_public(address)
        return
    if not _HOST.fullmatch(host):
        raise _refused(f"{host!r} is not a host name; write an international one as xn--")
    last = host.rpartition(".")[2]
    # As URLs are read, a host whose last part is a number is an IPv4 address, in any of several spellings.
    if last.isdigit() or last.startswith("0x"):
        try:
            _require_public(IPv4Address(host))
        except ValueError as error:
            raise _refused(f"{host!r} is not an IPv4 address of four decimal numbers") from error
    elif "." not in host or last in _INTERNAL:
        raise _refused(f"{host!r} is not a public name")


def _require_public(address: IPv4Address | IPv6Address) -> None:
    if not is_public(address):
        raise _refused(f"{address} is not a public address")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public Internet: not private, local or reserved, also inside of IPv6."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None:
        return False
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[12:]))
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def _refused(why: str) -> Refused:
    return Refused("invalid-webhook", f"url: {why}")
