"""Settings: what the environment may say, and what is said back."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.errors import ConfigurationError
from aqueduct.settings import NAMES, Settings, read_settings, variable

KEY = "ab" * 32


def test_an_empty_environment_gives_the_defaults() -> None:
    settings, warnings = read_settings({})
    assert settings == Settings()
    assert warnings == []
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8000, Path("aqueduct-data"))


def test_settings_are_frozen() -> None:
    settings, _ = read_settings({})
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_every_setting_is_read_from_its_variable() -> None:
    settings, warnings = read_settings(
        {
            "AQUEDUCT_DATA_DIR": "/srv/aqueduct",
            "AQUEDUCT_PORT": "9000",
            "AQUEDUCT_MAX_BODY_BYTES": "1MiB",
            "AQUEDUCT_KEEPALIVE_INTERVAL_SECONDS": "0",
            "AQUEDUCT_JOURNAL_FSYNC": "true",
            "AQUEDUCT_UNACCOUNTED": "serve",
            "AQUEDUCT_TOKEN": "aq-x",
        }
    )
    assert warnings == []
    assert settings.data_dir == Path("/srv/aqueduct")
    assert (settings.port, settings.max_body_bytes, settings.keepalive_interval_seconds) == (9000, 1024 * 1024, 0)
    assert settings.journal_fsync
    assert settings.unaccounted == "serve"
    assert settings.api_token is not None
    assert settings.api_token.get_secret_value() == "aq-x"


def test_a_flag_wins_over_the_environment_and_none_does_not() -> None:
    settings, _ = read_settings({"AQUEDUCT_PORT": "9000", "AQUEDUCT_HOST": "::1"}, port=9001, host=None)
    assert (settings.port, settings.host) == (9001, "::1")


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert read_settings({"AQUEDUCT_PORT": "", "AQUEDUCT_DATABASE_URL": ""})[0] == Settings()


def test_an_unknown_name_is_a_warning_with_the_likely_one() -> None:
    _, warnings = read_settings({"AQUEDUCT_PROT": "1", "AQUEDUCT_SOMETHING_QUITE_ELSE": "1", "PORT": "1"})
    assert warnings == [
        "AQUEDUCT_PROT is not a setting and is ignored. Did you mean AQUEDUCT_PORT?",
        "AQUEDUCT_SOMETHING_QUITE_ELSE is not a setting and is ignored.",
    ]


def test_what_kubernetes_injects_is_neither_a_value_nor_a_warning() -> None:
    environ = {
        "AQUEDUCT_PORT": "tcp://10.0.0.1:80",
        "AQUEDUCT_PORT_80_TCP": "tcp://10.0.0.1:80",
        "AQUEDUCT_PORT_80_TCP_ADDR": "10.0.0.1",
        "AQUEDUCT_PORT_80_TCP_PORT": "80",
        "AQUEDUCT_PORT_80_TCP_PROTO": "tcp",
        "AQUEDUCT_SERVICE_HOST": "10.0.0.1",
        "AQUEDUCT_SERVICE_PORT": "80",
        "AQUEDUCT_SERVICE_PORT_HTTP": "80",
        "AQUEDUCT_GATEWAY_PORT": "tcp://10.0.0.1:80",
        "AQUEDUCT_GATEWAY_SERVICE_HOST": "10.0.0.1",
    }
    settings, warnings = read_settings(environ)
    assert settings.port == 8000
    assert warnings == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AQUEDUCT_PORT", "99999"),
        ("AQUEDUCT_PORT", "http"),
        ("AQUEDUCT_MAX_BODY_BYTES", "0"),
        ("AQUEDUCT_LOG_FORMAT", "xml"),
        ("AQUEDUCT_JOURNAL_FSYNC", "perhaps"),
        ("AQUEDUCT_KEEPALIVE_INTERVAL_SECONDS", "-1"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({name: value})
    assert str(caught.value).startswith(name)
    assert repr(value) in str(caught.value)


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({"AQUEDUCT_PORT": "x", "AQUEDUCT_LOG_LEVEL": "x"})
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("keys", ["short:abcd", "no-key", f"bad id:{KEY}", f"k1:{KEY},:{KEY}", f"k1:{KEY}zz"])
def test_a_secret_is_never_echoed(keys: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({"AQUEDUCT_HASH_KEYS": keys})
    assert keys not in str(caught.value)
    assert KEY not in str(caught.value)


def test_secrets_do_not_show_in_the_settings_themselves() -> None:
    settings, _ = read_settings(
        {
            "AQUEDUCT_DATABASE_URL": "postgresql://u:hunter2@db/x",
            "AQUEDUCT_HASH_KEYS": f"k1:{KEY}",
            "HTTPS_PROXY": "http://u:hunter2@proxy",
        }
    )
    assert "hunter2" not in repr(settings)
    assert KEY not in repr(settings)
    assert repr(bytes.fromhex(KEY)) not in repr(settings)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://db/x\n")
    settings, warnings = read_settings({"AQUEDUCT_DATABASE_URL_FILE": str(tmp_path / "url")})
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://db/x"
    assert warnings == []


def test_a_secret_and_its_file_together_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unset one of them"):
        read_settings({"AQUEDUCT_TOKEN_FILE": str(tmp_path), "AQUEDUCT_TOKEN": "x"})


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"AQUEDUCT_HASH_KEYS_FILE: cannot read .*missing"):
        read_settings({"AQUEDUCT_HASH_KEYS_FILE": str(tmp_path / "missing")})


def test_hash_keys_keep_their_order() -> None:
    settings, _ = read_settings({"AQUEDUCT_HASH_KEYS": f"new:{KEY}, old:{KEY}"})
    assert [key.id for key in settings.hash_keys] == ["new", "old"]
    assert settings.hash_keys[0].key == bytes.fromhex(KEY)


@pytest.mark.parametrize("names", [("https_proxy",), ("HTTPS_PROXY",), ("https_proxy", "HTTPS_PROXY")])
def test_proxies_are_read_in_both_cases_and_lower_case_wins(names: tuple[str, ...]) -> None:
    settings, _ = read_settings({name: f"http://{name}.example" for name in names})
    assert settings.https_proxy is not None
    assert settings.https_proxy.get_secret_value() == f"http://{names[0]}.example"


def test_hosts_without_a_proxy_are_split() -> None:
    assert read_settings({"NO_PROXY": "localhost, .lan,10.0.0.0/8"})[0].no_proxy == ("localhost", ".lan", "10.0.0.0/8")


@given(st.dictionaries(st.sampled_from([*NAMES, "AQUEDUCT_X", "HTTP_PROXY"]), st.text()))
def test_any_environment_gives_settings_or_a_configuration_error(environ: dict[str, str]) -> None:
    with contextlib.suppress(ConfigurationError):
        _, warnings = read_settings(environ)
        assert all("AQUEDUCT_X" in warning for warning in warnings)


def test_the_variable_of_a_field_is_the_one_that_is_read() -> None:
    assert {variable(field) for field in Settings.model_fields} >= set(NAMES)
