"""Which origins a proxy is used for, and what a proxy's address may look like."""

import pytest

from aqueduct.domain.http import Origin
from aqueduct.errors import ConfigurationError
from aqueduct.upstream.connecting import Connector, ProxyExceptions
from aqueduct.upstream.options import Proxies, Tls, TransportOptions


@pytest.mark.parametrize(
    ("no_proxy", "covered", "not_covered"),
    [
        ("", ["localhost", "api.localhost", "127.0.0.1", "127.9.9.9", "::1"], ["example.com", "10.0.0.1"]),
        ("*", ["example.com", "10.0.0.1"], []),
        ("example.com", ["example.com", "EXAMPLE.com.", "api.example.com"], ["badexample.com", "example.org"]),
        (".example.com", ["example.com", "api.example.com"], ["badexample.com"]),
        (" a.com , b.com ", ["a.com", "b.com"], ["c.com"]),
        ("example.com:8443", [], ["example.com"]),
        ("example.com:443", ["example.com"], []),
        ("10.0.0.0/8", ["10.1.2.3"], ["11.0.0.1", "host10.0.0.1"]),
        ("10.0.0.1", ["10.0.0.1"], ["10.0.0.2"]),
        ("10.0.0.1:443", ["10.0.0.1"], []),
        ("10.0.0.1:80", [], ["10.0.0.1"]),
        ("fd00::/8", ["fd12::1"], ["fe80::1"]),
        ("fd00::1", ["fd00::1"], ["fd00::2"]),
        ("[fd00::1]:443", ["fd00::1"], ["fd00::2"]),
        ("0.0.1", [], ["10.0.0.1"]),
        (",,", [], ["example.com"]),
    ],
)
def test_no_proxy_names_what_is_reached_directly(no_proxy: str, covered: list[str], not_covered: list[str]) -> None:
    exceptions = ProxyExceptions(no_proxy)
    assert [host for host in covered if not exceptions.covers(Origin("https", host, 443))] == []
    assert [host for host in not_covered if exceptions.covers(Origin("https", host, 443))] == []


def test_each_scheme_has_a_proxy_of_its_own() -> None:
    connector = Connector(TransportOptions(proxies=Proxies(https="http://proxy.test:3128")))
    proxy = connector.proxy(Origin("https", "example.com", 443))
    assert proxy is not None
    assert (proxy.host, proxy.port, proxy.authorization) == ("proxy.test", 3128, None)
    assert connector.proxy(Origin("http", "example.com", 80)) is None


def test_credentials_of_a_proxy_are_decoded_and_never_shown() -> None:
    options = TransportOptions(proxies=Proxies(http="http://user:p%40ss@proxy.test"))
    connector = Connector(options)
    proxy = connector.proxy(Origin("http", "example.com", 80))
    assert proxy is not None
    assert proxy.authorization_line == b"proxy-authorization: Basic dXNlcjpwQHNz\r\n"
    assert proxy.port == 80
    assert "p%40ss" not in repr(options)
    assert "dXNl" not in repr(proxy)


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy:1",
        "socks5://proxy:1",
        "http://",
        "http://:secret@",
        "http://u:secret@h:x",
        "http://u:secret@h h:1",
    ],
)
def test_a_wrong_proxy_is_named_by_its_setting_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Connector(TransportOptions(proxies=Proxies(https=url)))
    assert "HTTPS_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_ca_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem"):
        Connector(TransportOptions(tls=Tls(ca_file="/nowhere/ca.pem")))
