"""Which certificate authorities a connection trusts, over TLS with a server of this machine."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from burgee.stores.tls import Tls
from support.certificates import Authority, authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYSTEMS = ("Amazon Root CA", "Starfield Services Root Certificate Authority", "another")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Authority]:
    """Authorities by name: three of the system's, and one that is not."""
    found = {name: authority(tmp_path, name) for name in (*SYSTEMS, "unknown")}
    file = tmp_path / "system.pem"
    file.write_text("".join(f"# {name}\n{found[name].bundle.read_text()}" for name in SYSTEMS), encoding="ascii")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return found


@contextmanager
def served(context: ssl.SSLContext) -> Iterator[str]:
    """The address of a server that shows its certificate and says its subject's, to a client that accepts it."""

    def run() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain:
                try:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        secure.recv(1)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=run, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def trusted(tls: Tls) -> set[str]:
    """The names of the authorities of these tests that are loaded."""
    subjects = [str(one["subject"]) for one in tls._context.get_ca_certs()]
    return {name for name in (*SYSTEMS, "unknown") if any(f"'{name} authority'" in one for one in subjects)}


@pytest.mark.parametrize("name", SYSTEMS[:2])
def test_amazons_authorities_alone_are_loaded_for_its_services(made: dict[str, Authority], name: str) -> None:
    tls = Tls()
    with served(made[name].server) as address:
        for _ in range(2):
            tls.connect(address, 5).close()
    assert trusted(tls) == set(SYSTEMS[:2])


def test_the_systems_others_are_loaded_for_a_server_that_those_have_not_signed(made: dict[str, Authority]) -> None:
    tls = Tls()
    with served(made["another"].server) as address:
        for _ in range(2):
            tls.connect(address, 5).close()
    assert trusted(tls) >= set(SYSTEMS)


@pytest.mark.parametrize("bundle", [None, "Amazon Root CA"])
def test_a_server_that_nobody_trusted_has_signed_is_refused(made: dict[str, Authority], bundle: str | None) -> None:
    tls = Tls(str(made[bundle].bundle) if bundle else None)
    with served(made["unknown"].server) as address:
        for _ in range(2):
            with pytest.raises(ssl.SSLCertVerificationError):
                tls.connect(address, 5)


def test_a_bundle_is_trusted_instead_of_the_systems(made: dict[str, Authority]) -> None:
    tls = Tls(str(made["unknown"].bundle))
    with served(made["unknown"].server) as address:
        tls.connect(address, 5).close()
    assert trusted(tls) == {"unknown"}


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_amazons_leaves_all_to_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    file = tmp_path / "system.pem"
    file.write_text(text, encoding="ascii")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    tls = Tls()
    assert tls._context.verify_mode is ssl.CERT_REQUIRED
    assert tls._context.check_hostname
