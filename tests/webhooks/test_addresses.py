"""Which addresses a webhook may have: every spelling of an inner address is refused, as written and after DNS."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burgee.errors import Refused
from burgee.webhooks.addresses import MAX_URL, is_public, parse

INNER = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1", "198.18.0.1", "192.0.0.192", "192.0.2.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "192.88.99.1",
    "::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:7f00:1::",
    "2001:0:0:1::",
    "3fff::1", "100::1", "5f00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "fe80::1%eth0", "2606:4700::1%eth0",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "64:ff9b::808:808",
]
WRITTEN = [
    "https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://metadata/", "https://metadata.google.internal/",
    "https://printer.local/", "https://1.0.0.127.in-addr.arpa/",
    "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://017700000001/", "https://0177.0.0.1/",
    "https://127.1/", "https://127.0.1/", "https://127.0.0.1./", "https://0/", "https://127.0.0.0x1/", "https://①②⑦.⓪.⓪.①/",
    "https://[::1]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/",
    "https://[::1/", "https://a..example.com/", "https://-a.example.com/",
    "https://example.com@127.0.0.1/", "https://user:secret@example.com/", "https://@example.com/",
    "https://example.com\\@127.0.0.1/", "https://example.com#@127.0.0.1/", "https://exa mple.com/",
    "https://example.com/\r\nHost: a",
    "https://example.com/\tx", "https://example.com/a|b",
    "https://example.com/<a>", "https://example.com:22/", "https://example.com:25/", "https://example.com:0/",
    "https://example.com:80/", "https://example.com:99999/", "https://example.com:x/",
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/",
    "example.com", "", "https://", "https:///path", "javascript:alert(1)", f"https://example.com/{'a' * MAX_URL}", "https://exämple.com/",
]  # fmt: skip


@pytest.mark.parametrize("address", INNER)
def test_an_address_of_an_inner_network_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    bare = address.partition("%")[0]
    if bare == address:
        with pytest.raises(Refused) as refused:
            parse(f"https://[{address}]/" if ":" in address else f"https://{address}/")
        assert refused.value.code == "invalid-webhook"


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_is_public_that_python_calls_private_or_special(address: object) -> None:
    found = ip_address(str(address))
    if is_public(found) and not str(found).startswith("64:ff9b::"):
        assert found.is_global
        special = (found.is_private, found.is_multicast, found.is_loopback, found.is_link_local)
        assert not any(special)


@pytest.mark.parametrize("url", WRITTEN)
def test_no_spelling_leads_inside(url: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(url)
    assert refused.value.code == "invalid-webhook"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://example.com", ("https", "example.com", 443, "/")),
        ("https://Hooks.Example.com/a/b?c=d", ("https", "hooks.example.com", 443, "/a/b?c=d")),
        ("https://example.com:8443/x", ("https", "example.com", 8443, "/x")),
        ("https://xn--exmple-cua.com/", ("https", "xn--exmple-cua.com", 443, "/")),
        ("https://8.8.8.8/", ("https", "8.8.8.8", 443, "/")),
        ("https://[2606:4700:4700::1111]:8443/", ("https", "2606:4700:4700::1111", 8443, "/")),
    ],
)
def test_what_a_request_needs_of_a_url(url: str, parts: tuple[str, str, int, str]) -> None:
    assert tuple(parse(url)) == parts


def test_the_address_that_is_shown_has_no_path() -> None:
    assert parse("https://hooks.slack.com/services/T0/B0/secret?a=b").address == "https://hooks.slack.com"
    assert parse("https://[2606:4700::1]:8443/x").address == "https://[2606:4700::1]:8443"


def test_this_machine_is_allowed_only_where_that_is_asked_for_and_nothing_else_with_it() -> None:
    assert parse("http://127.0.0.1:9000/x", loopback=True).port == 9000
    assert parse("http://localhost:9000/x", loopback=True).is_loopback
    for url in ("http://10.0.0.1/", "https://169.254.169.254/", "http://example.com/", "https://127.1/"):
        with pytest.raises(Refused):
            parse(url, loopback=True)


@given(st.text(max_size=60))
def test_any_string_is_parsed_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            target = parse(url)
        except Refused:
            continue
        assert target.scheme == "https"
        assert target.host.isascii()
