"""One request of a webhook over real sockets: what it sends, what it refuses, and that it always ends."""

from __future__ import annotations

import socket
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from burgee.webhooks.sending import LONGEST_WAIT, Outcome, Sender
from support.waiting import PATIENCE
from support.webhooks import listening, says

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

BODY = b'{"type":"flag.kill"}'


class Net:
    """DNS and connections that a test plans: which addresses a name has, and where connections went."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.connected: list[tuple[str, int]] = []

    def resolve(self, _host: str, _port: int) -> list[str]:
        return self.addresses

    def connect(self, address: str, port: int, _seconds: float) -> socket.socket:
        self.connected.append((address, port))
        raise ConnectionRefusedError

    def send(self, url: str, **more: Any) -> Any:
        return Sender(resolve=self.resolve, connect=self.connect, **more).send(url, {}, BODY)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.5", "169.254.169.254", "100.64.0.1", "::1", "fd00:ec2::254", "::ffff:127.0.0.1",
     "64:ff9b::a9fe:a9fe", "fe80::1%eth0"],
)  # fmt: skip
@pytest.mark.parametrize("beside", [[], ["8.8.8.8"], ["2606:4700:4700::1111"]])
def test_a_name_that_leads_inside_is_not_connected_to_even_if_it_leads_outside_too(
    address: str, beside: list[str]
) -> None:
    for order in ([address, *beside], [*beside, address]):
        for loopback in (False, True):
            net = Net(*order)
            outcome = net.send("https://hooks.example.com/", loopback=loopback)
            assert net.connected == []
            assert outcome == Outcome(None, "the name leads to an address that is not public")
            assert outcome.is_down


def test_it_connects_to_the_address_that_was_checked_and_asks_dns_once() -> None:
    """A name that is public when it is checked and private when it is used gets nothing."""

    class Rebinding(Net):
        def resolve(self, _host: str, _port: int) -> list[str]:
            return [self.addresses.pop(0)]

    net = Rebinding("8.8.8.8", "127.0.0.1")
    assert net.send("https://hooks.example.com:8443/").why == "no connection"
    assert net.connected == [("8.8.8.8", 8443)]
    assert net.addresses == ["127.0.0.1"]


def test_other_addresses_are_tried_and_few_of_them() -> None:
    net = Net(*[f"8.8.8.{number}" for number in range(9)])
    net.send("https://hooks.example.com/")
    assert net.connected == [("8.8.8.0", 443), ("8.8.8.1", 443), ("8.8.8.2", 443)]


def test_the_real_resolver_knows_the_old_spellings_of_addresses_and_they_are_refused() -> None:
    for host in ("2130706433", "0x7f.1", "017700000001", "127.1"):
        assert {found[4][0] for found in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)} == {"127.0.0.1"}
        assert "not an IPv4 address" in Sender().send(f"https://{host}/", {}, BODY).why


def test_a_name_that_does_not_exist_is_an_outcome() -> None:
    def nowhere(_host: str, _port: int) -> list[str]:
        raise socket.gaierror("no such name")

    assert Sender(resolve=nowhere).send("https://a.example.com/", {}, BODY).why == "the name was not found"


def test_a_request_arrives_as_it_was_signed() -> None:
    with listening(says(204)) as (url, posts):
        outcome = Sender(loopback=True).send(f"{url}?a=b", {"webhook-id": "evt_1"}, BODY)
    assert outcome == Outcome(204)
    assert outcome.is_delivered
    (post,) = posts
    assert (post.path, post.body) == ("/hook?a=b", BODY)
    assert post.fields["webhook-id"] == "evt_1"
    assert post.fields["content-type"] == "application/json"
    assert post.fields["host"] == url.removeprefix("http://").removesuffix("/hook")
    assert post.fields["user-agent"].startswith("burgee/")


def test_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would resolve the name again, and connect to whatever that says by then."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with listening(says(204)) as (url, posts):
        assert Sender(loopback=True).send(url, {}, BODY) == Outcome(204)
    assert len(posts) == 1


def test_this_machine_is_refused_by_default() -> None:
    with listening(says(204)) as (url, posts):
        assert Sender().send(url, {}, BODY).why.endswith("and `burgee serve --local-webhooks` sends to it")
        assert "on this machine" in Sender().send(url.replace("http:", "https:"), {}, BODY).why
    assert posts == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", ["same", "private"])
def test_a_redirect_is_a_failure_and_is_not_followed(status: int, kind: str) -> None:
    with listening(says(204)) as (other, others):
        to = other if kind == "same" else "http://169.254.169.254/latest/meta-data/"
        with listening(says(status, location=to)) as (url, posts):
            outcome = Sender(loopback=True).send(url, {}, BODY)
        assert outcome == Outcome(status, f"answered {status}: redirects are not followed")
        assert (len(posts), others) == (1, [])
        assert not outcome.is_delivered


@pytest.mark.parametrize(
    ("status", "down", "gone"), [(400, False, False), (404, False, False), (410, False, True), (429, True, False),
                                 (500, False, False), (502, True, False), (503, True, False), (504, True, False)]
)  # fmt: skip
def test_what_a_status_means(status: int, down: bool, gone: bool) -> None:
    with listening(says(status, retry_after="120")) as (url, _):
        outcome = Sender(loopback=True).send(url, {}, BODY)
    assert (outcome.status, outcome.is_delivered, outcome.is_down, outcome.is_gone) == (status, False, down, gone)
    assert outcome.retry_after == 120


@pytest.mark.parametrize("text", ["soon", "-5", "Wed, 21 Oct 2026 07:28:00 GMT", "1e9", "٣", ""])
def test_a_wait_that_cannot_be_read_is_none(text: str) -> None:
    field = text.encode("utf-8").decode("latin-1")
    with listening(says(503, retry_after=field)) as (url, _):
        assert Sender(loopback=True).send(url, {}, BODY).retry_after == 0


def test_a_wait_is_bounded() -> None:
    with listening(says(503, retry_after="9" * 40)) as (url, _):
        assert Sender(loopback=True).send(url, {}, BODY).retry_after == LONGEST_WAIT


def connected(address: str, port: int, _seconds: float) -> socket.socket:
    """A connection, however long it takes: only the answer is late."""
    return socket.create_connection((address, port))


def test_an_address_that_does_not_connect_is_left() -> None:
    def never(_address: str, _port: int, seconds: float) -> socket.socket:
        assert seconds <= 0.2
        raise TimeoutError

    assert Sender(loopback=True, seconds=0.2, connect=never).send("http://localhost/", {}, BODY) == Outcome(
        why="no connection in time"
    )


def test_a_receiver_that_never_answers_is_left() -> None:
    done = Event()

    def never(_handler: BaseHTTPRequestHandler) -> None:
        done.wait(PATIENCE)

    with listening(never) as (url, _):
        assert Sender(loopback=True, seconds=0.2, connect=connected).send(url, {}, BODY) == Outcome(
            why="no answer in time"
        )
        done.set()


def test_a_receiver_that_answers_byte_by_byte_is_left_too() -> None:
    """Each byte comes in time, the whole never does; the answer ends when the connection does."""
    cut = Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
            while True:
                handler.wfile.write(b"a")
                handler.wfile.flush()
                cut.wait(0.01)
        except OSError:
            cut.set()

    with listening(drip) as (url, posts):
        outcome = Sender(loopback=True, seconds=0.3, connect=connected).send(url, {}, BODY)
        assert outcome == Outcome(why="no answer in time")
        assert not posts or cut.wait(PATIENCE)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200,
    ],
)
def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    def raw(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    with listening(raw) as (url, _):
        outcome = Sender(loopback=True).send(url, {}, BODY)
    assert not outcome.is_delivered or answer == b"HTTP/1.1 200"


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    import ssl
    from threading import Thread

    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(5000)
            peer.sendall(b"not TLS at all")

    thread = Thread(target=greet, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    outcome = Sender(loopback=True).send(f"https://localhost:{port}/", {}, BODY)
    thread.join(60)
    listener.close()
    assert outcome.why == "no connection"
    assert Sender()._tls.verify_mode is ssl.CERT_REQUIRED
    assert Sender()._tls.check_hostname
