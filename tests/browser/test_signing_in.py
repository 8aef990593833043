"""Signing in with a real browser: at an issuer, and with a passkey of the browser's virtual authenticator."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.gateway_process import GatewayProcess
from tests.scripted_issuer import CLIENT_ID, CLIENT_SECRET, ScriptedIssuer, running_issuer

ANN = {"preferred_username": "Ann", "email": "ann@example.org", "groups": ["ai-staff"]}


@pytest.fixture(scope="module")
def issuer() -> Iterator[ScriptedIssuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(issuer: ScriptedIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "secret").write_text(CLIENT_SECRET + "\n")
    lab = {
        "name": "lab",
        "label": "The lab",
        "issuer": issuer.url,
        "client_id": CLIENT_ID,
        "client_secret_file": "secret",
        "networks": ["127.0.0.0/8"],
    }
    with GatewayProcess(folder, yaml.safe_dump({"sign_in": {"issuers": [lab]}})) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, gateway: GatewayProcess) -> Iterator[Page]:
    context = chromium.new_context(base_url=f"http://localhost:{gateway.port}")
    yield context.new_page()
    context.close()


def add_authenticator(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_in_at_the_lab(page: Page, issuer: ScriptedIssuer, subject: str) -> None:
    issuer.claims = {**ANN, "sub": subject, "preferred_username": subject, "email": None}
    page.goto("/ui/account")
    page.get_by_role("link", name="The lab").click()
    expect(page).to_have_url("/ui/account")


def sign_out(page: Page) -> None:
    page.goto("/ui/account")
    with page.expect_navigation():
        page.evaluate("document.querySelector(`form[action='/ui/sign-out']`).submit()")


def test_somebody_comes_in_by_the_issuer_where_he_wanted_and_is_led_out_there_too(
    page: Page, issuer: ScriptedIssuer, tmp_path: Path
) -> None:
    sign_in_at_the_lab(page, issuer, "ann")
    expect(page.get_by_text("by oidc")).to_be_visible()
    sign_out(page)
    there = page.get_by_role("link", name="Sign out there too").get_attribute("href")
    assert there is not None
    assert there.startswith(f"{issuer.url}/logout?client_id=aqueduct")
    page.goto("/ui/account")
    expect(page).to_have_url("/ui/sign-in?next=%2Fui%2Faccount")
    # What cannot be believed ends on a page that says so, and lets nobody in.
    issuer.claims = {"aud": "somebody else"}
    page.get_by_role("link", name="The lab").click()
    expect(page.get_by_text("could not be trusted")).to_be_visible()


def test_a_passkey_is_registered_and_lets_its_owner_in_alone_and_after_his_password(
    page: Page, issuer: ScriptedIssuer
) -> None:
    add_authenticator(page)
    sign_in_at_the_lab(page, issuer, "bob")
    page.get_by_role("link", name="Set one").click()
    page.get_by_label("New password").fill("a few words in a row")
    page.get_by_label("Once more").fill("a few words in a row")
    page.get_by_role("button", name="Set the password").click()
    page.goto("/ui/account/ways")
    page.get_by_label("Name of the new passkey").fill("my phone")
    page.get_by_role("button", name="Register a passkey").click()
    expect(page.get_by_role("cell", name="my phone", exact=True)).to_be_visible()
    sign_out(page)

    page.goto("/ui/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url("/ui/")
    sign_out(page)

    page.goto("/ui/sign-in")
    page.get_by_label("Name or e-mail address").fill("bob")
    page.get_by_label("Password").fill("a few words in a row")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.goto("/ui/account")
    expect(page).to_have_url("/ui/sign-in?next=%2Fui%2Faccount")
    page.goto("/ui/sign-in/second")
    page.get_by_role("button", name="Use your passkey").click()
    expect(page).to_have_url("/ui/")
    page.goto("/ui/account")
    expect(page.get_by_text("by password and passkey")).to_be_visible()
