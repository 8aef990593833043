"""What people do with the pages in a real browser: one gateway, one browser, both themes, narrow and wide."""

import os
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from openai import OpenAI
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, sync_playwright
from tests.integration.web.browsing import PASSWORD
from tests.integration.web.conftest import House
from tests.scripted_upstream import completion, json_reply

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 20_000
WIDTHS = (360, 1280)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """The browser; as root it does without its sandbox."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Chromium) -> Iterator[Page]:
    """A page that fails the test on any error of a script or breach of the policy."""
    # Without motion: a colour half-way between two themes has no contrast that anybody ever reads.
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    yield page
    context.close()
    assert complaints == []


def require_accessible(page: Page) -> None:
    """Insist that axe finds nothing wrong, in both themes."""
    for _ in ("as it is", "the other theme"):
        found = Axe().run(page)
        faults = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found.response["violations"]]
        assert faults == [], page.url
        page.get_by_role("button", name="Light or dark").click()


def test_a_newcomer_signs_in_makes_a_token_calls_a_model_and_sees_it(house: House, page: Page) -> None:
    base = f"http://localhost:{house.gateway.port}"
    code = house.links["newcomer"].partition("#")[2]
    page.goto(f"{base}/ui/sign-in/link#{code}")
    assert page.url == f"{base}/ui/sign-in/link"
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Once more").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("heading", name="Hello, newcomer").wait_for()
    require_accessible(page)

    page.get_by_role("button", name="Fill in a new token").click()
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    code_shown = page.get_by_role("tabpanel", name="Python").inner_text()
    value = next(each for each in code_shown.split('"') if each.startswith("aq-"))
    house.lab.script(json_reply(completion("Once upon a time")))
    with OpenAI(base_url=f"{base}/v1", api_key=value) as client:
        asked = client.chat.completions.with_raw_response.create(
            model="one", messages=[{"role": "user", "content": "Write me a short poem!"}]
        )
    house.gateway.usage(asked.headers["x-request-id"])
    page.get_by_role("link", name="Home").click()
    page.get_by_role("button", name="Fill in a new token").wait_for()
    assert "1" in page.get_by_text("Requests", exact=True).first.locator("..").inner_text()
    assert page.get_by_role("cell", name="one").count() == 1


def test_a_token_is_made_found_and_revoked_by_keyboard_and_name(house: House, page: Page) -> None:
    base = f"http://localhost:{house.gateway.port}"
    page.goto(f"{base}/ui/tokens")
    page.get_by_label("Name or e-mail address").fill("boss")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Tokens", exact=True).wait_for()
    page.get_by_role("link", name="New token").first.click()
    page.get_by_label("Name", exact=True).fill("CI of <b>all</b>")
    page.get_by_text("Limits, budget and networks").click()
    page.get_by_label("Budget").fill("much")
    require_accessible(page)
    page.get_by_role("button", name="Make the token").click()
    page.get_by_text("is not an amount").wait_for()
    assert page.get_by_label("Name", exact=True).input_value() == "CI of <b>all</b>"
    page.get_by_label("Budget").fill("5")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("heading", name="Copy the value now").wait_for()
    require_accessible(page)

    page.get_by_role("link", name="Done").click()
    page.get_by_role("heading", name="Change").wait_for()
    require_accessible(page)
    page.get_by_role("link", name="Tokens").first.click()
    page.get_by_role("heading", name="Tokens", exact=True).wait_for()
    page.keyboard.press("/")
    page.keyboard.type("no token of this name")
    page.get_by_text("No token of that name").wait_for()
    page.get_by_label("Search by name").fill("CI of")
    page.get_by_role("link", name="CI of <b>all</b>").click()
    page.get_by_role("button", name="Revoke").first.click()
    confirm = page.get_by_role("dialog").get_by_role("button", name="Revoke")
    assert confirm.is_disabled()
    page.get_by_label("Type").fill("CI of <b>all</b>")
    confirm.click()
    page.get_by_text("Nothing gets in with it any more.").wait_for()
    require_accessible(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_the_screen(house: House, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    base = f"http://localhost:{house.gateway.port}"
    page.goto(f"{base}/ui/sign-in")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_label("Name or e-mail address").fill("boss")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Hello").wait_for()
    for path in ("/ui/", "/ui/tokens", "/ui/tokens/new", "/ui/account", "/ui/account/password"):
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        if width < 800:
            page.get_by_role("button", name="Menu").click()
            page.get_by_role("link", name="Tokens").first.wait_for()
            page.keyboard.press("Escape")


def test_a_theme_that_was_chosen_is_remembered(house: House, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"http://localhost:{house.gateway.port}/ui/sign-in")
    is_dark = "document.documentElement.classList.contains('dark')"
    assert page.evaluate(is_dark)
    page.get_by_role("button", name="Light or dark").click()
    page.reload()
    assert not page.evaluate(is_dark)
