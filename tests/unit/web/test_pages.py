"""What pages are made of, without a gateway: assets, forms, formats, ways to lead on, and who guesses too often."""

import base64
import hashlib
import json
import re
from decimal import Decimal

import pytest

from aqueduct.control.throttle import WINDOW_SECONDS, Throttle
from aqueduct.domain.session import csrf_of, is_csrf_of
from aqueduct.errors import TooManyAttempts
from aqueduct.web import formats
from aqueduct.web.assets import STATIC, Assets
from aqueduct.web.forms import Form
from aqueduct.web.visit import local_path


def test_every_vendored_file_is_the_one_of_the_manifest_and_no_other_is_there() -> None:
    folder = STATIC / "vendor"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {path.name for path in folder.iterdir()} == {*manifest, "manifest.json", "LICENSES.md"}
    licenses = (folder / "LICENSES.md").read_text()
    for name, entry in manifest.items():
        digest = base64.b64encode(hashlib.sha384((folder / name).read_bytes()).digest()).decode()
        assert entry["sha384"] == digest, name
        assert entry["package"] in licenses


def test_nothing_is_loaded_from_elsewhere() -> None:
    for asset in Assets().names.values():
        text = asset.body.decode(errors="replace")
        assert not re.search(r"@import|url\((?!['\"]?data:)|(?:from|import)\s*\(?['\"]https?:", text), asset.url


def test_a_url_changes_with_the_content_of_the_file() -> None:
    assets = Assets()
    name = "app.css"
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    assert assets.url(name) == f"/ui/static/app.{digest[:12]}.css"
    with pytest.raises(KeyError):
        assets.url("nothing.css")


@pytest.mark.parametrize("text", ["/ui/tokens", "/ui/tokens?search=a%20b&sort=-name"])
def test_one_is_led_to_pages_of_ours(text: str) -> None:
    assert local_path(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/ui//evil",
        "/ui/\r\nset-cookie: a=b",
        "/v1/models",
        "javascript:alert(1)",
        "/ui/tokens\n",
    ],
)
def test_one_is_led_nowhere_else(text: str) -> None:
    assert local_path(text) == "/ui/"


def test_a_form_keeps_what_was_typed_and_says_what_is_wrong_with_it() -> None:
    form = Form({"name": " ", "count": "1,5x", "amount": "1.2.3", "day": "31.12.", "kind": "z", "words": "a, b\nb"})
    assert form.text("name", required=True) == ""
    assert form.integer("count") is None
    assert form.amount("amount") is None
    assert form.day_end("day") is None
    assert form.choice("kind", ["a", "b"], "a") == "a"
    assert form.words("words") == ("a", "b")
    assert set(form.errors) == {"name", "count", "amount", "day", "kind"}
    assert form.value("count") == "1,5x"
    assert form.integer("missing") is None


def test_a_password_is_never_shown_again() -> None:
    form = Form({"password": "secret"})
    assert form.secret("password") == "secret"
    assert form.value("password") == ""


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("0", "USD", "$0.00"),
        ("1234.5", "USD", "$1,234.50"),
        ("0.000042", "USD", "$0.000042"),
        ("0.0000000004", "EUR", "€0.00"),
        ("12", "CHF", "12.00 CHF"),
    ],
)
def test_amounts_are_written_as_people_read_them(amount: str, currency: str, written: str) -> None:
    assert formats.money(Decimal(amount), currency) == written


def test_numbers_and_instants_are_short() -> None:
    assert [formats.short_number(each) for each in (950, 12_345, 4_500_000)] == ["950", "12.3k", "4.5M"]
    assert formats.relative(0, 3_700) == "1 hour ago"
    assert formats.relative(90 * 86_400, 0) == "in 90 days"
    assert formats.relative(0, 1) == "just now"
    assert str(formats.ticks("`<b>` is wrong")) == "<code>&lt;b&gt;</code> is wrong"


def test_who_guesses_waits_and_is_let_in_again_later() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for _ in range(5):
        throttle.require_patience("anna", "192.0.2.1")
        throttle.note_failure("anna", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        throttle.require_patience("anna", "192.0.2.1")
    throttle.require_patience("anna", "192.0.2.2")
    throttle.require_patience("bob", "192.0.2.1")
    now[0] = WINDOW_SECONDS + 1
    throttle.require_patience("anna", "192.0.2.1")


def test_many_addresses_do_not_help_whoever_guesses_at_one_account() -> None:
    throttle = Throttle(lambda: 0.0)
    for number in range(50):
        throttle.note_failure("anna", f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts):
        throttle.require_patience("anna", "192.0.2.99")


def test_what_a_change_brings_along_belongs_to_one_session() -> None:
    assert is_csrf_of("aqs-one", csrf_of("aqs-one"))
    assert not is_csrf_of("aqs-two", csrf_of("aqs-one"))
    assert not is_csrf_of("aqs-one", "")
    assert not is_csrf_of("aqs-one", "é")
