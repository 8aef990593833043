"""What every page has in common: who may come, where a change may come from, and that nothing typed is ever markup."""

import re

import pytest
from tests.integration.web.conftest import House

from aqueduct.web.application import PAGES
from aqueduct.web.navigation import SECTIONS
from aqueduct.web.routing import Page

SHOWN = [page for page in PAGES if page.method == "GET"]
CHANGES = [page for page in PAGES if page.method == "POST"]
SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"


def path_of(page: Page) -> str:
    """Return a path of a page; what its parts name does not exist."""
    return re.sub(r"\{\w+\}", "tok_0000000000000000", page.path)


def name_of(page: Page) -> str:
    return f"{page.method} {page.path}"


@pytest.mark.parametrize("page", [each for each in PAGES if each.may is not None], ids=name_of)
def test_strangers_get_no_page_but_those_for_anybody(house: House, page: Page) -> None:
    shown = house.nobody.visit(page.method, path_of(page), {} if page.method == "POST" else None)
    assert shown.status == 303
    assert shown.location.startswith("/ui/sign-in")


@pytest.mark.parametrize("page", SHOWN, ids=name_of)
def test_every_page_answers_everybody_whom_it_is_for_and_nobody_else(house: House, page: Page) -> None:
    for browser in (house.admin, house.boss, house.lead, house.member):
        shown = browser.get(path_of(page))
        assert shown.status in ((404,) if "{" in page.path else (200, 303, 403))
        if shown.status != 303:
            assert "default-src 'none'" in shown.headers["content-security-policy"]
            assert shown.headers["cache-control"] == "no-store"
            assert shown.inline == []


@pytest.mark.parametrize("page", CHANGES, ids=name_of)
def test_no_change_is_made_for_another_site_or_without_the_pages_own_word(house: House, page: Page) -> None:
    browser, path = house.member, path_of(page)
    csrf = browser.csrf
    for headers in (
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "", "origin": "https://evil.example"},
        {"sec_fetch_site": ""},
    ):
        shown = browser.visit("POST", path, {"csrf": csrf}, **headers)
        assert shown.status == 403, headers
        assert "came from another site" in shown.text
    if page.may is not None:
        for wrong in ({}, {"csrf": ""}, {"csrf": house.boss.csrf}):
            shown = browser.visit("POST", path, wrong)
            assert shown.status == 403, wrong
            assert "out of date" in shown.text


def test_the_side_bar_shows_what_there_is_and_who_may_sees_it(house: House) -> None:
    paths = {page.path for page in SHOWN}
    assert {entry.path for section in SECTIONS for entry in section.entries} <= paths
    for entry in (entry for section in SECTIONS for entry in section.entries):
        assert f'href="{entry.path}"' in house.admin.get("/ui/").body


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            "/ui/tokens",
            ("name", "lifetime", "expires_on", "models", "networks", "budget", "currency", "period", "team"),
        ),
        ("/ui/sign-in", ("name", "next")),
        ("/ui/account/password", ("present",)),
    ],
)
def test_what_was_typed_comes_back_as_text(house: House, path: str, fields: tuple[str, ...]) -> None:
    for name in fields:
        browser = house.nobody if path == "/ui/sign-in" else house.member
        form = {"name": "x", "password": "short", "again": "x"} | {name: SCRIPT}
        shown = browser.visit("POST", path, form) if path == "/ui/sign-in" else browser.post(path, form)
        assert shown.status in (200, 401, 404, 422, 429), (name, shown)
        assert "<script>alert" not in shown.body
        assert "<img" not in shown.body


def test_a_name_that_is_markup_is_text_wherever_it_is_shown(house: House) -> None:
    name = f"x{SCRIPT}"[:90]
    made = house.member.post("/ui/tokens", {"name": name, "lifetime": "30"})
    assert made.status == 200, made
    found = re.search(r"/ui/tokens/(tok_\w+)", made.body)
    assert found is not None
    searched = house.member.get("/ui/tokens?search=%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%3E")
    shown = [made, house.member.get("/ui/tokens"), house.member.get(f"/ui/tokens/{found[1]}"), searched]
    for page in shown:
        assert page.status == 200
        assert "<script>alert" not in page.body
        assert "<img" not in page.body
    # The message that tells of it, too.
    house.member.post(f"/ui/tokens/{found[1]}/revoke", {"confirm": name})
    assert "<script>alert" not in house.member.get("/ui/tokens").body


def test_a_message_that_somebody_planted_is_text(house: House) -> None:
    browser = house.nobody
    browser.cookies["__Host-aqueduct-flash"] = "eyJtZXNzYWdlIjogIjxzY3JpcHQ-YWxlcnQoMSk8L3NjcmlwdD4ifQ"
    assert "<script>alert" not in browser.get("/ui/sign-in").body
    browser.cookies["__Host-aqueduct-flash"] = "%%%"
    assert browser.get("/ui/sign-in").status == 200


def test_unknown_pages_and_methods_are_told_as_pages(house: House) -> None:
    assert "There is no such page." in house.member.get("/ui/nothing").text
    assert house.member.get("/ui/sign-out").status == 405
    assert house.nobody.get("/ui/static/nothing.js").status == 404
    assert house.nobody.get("/ui/static/../../services.py").status == 404


def test_assets_are_packed_and_kept_for_good_by_their_names(house: House) -> None:
    found = re.search(r'href="(/ui/static/vendor/basecoat\.\w+\.css)"', house.nobody.get("/ui/sign-in").body)
    assert found is not None
    plain = house.nobody.get(found[1])
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in plain.headers
    assert plain.headers["content-type"].startswith("text/css")
