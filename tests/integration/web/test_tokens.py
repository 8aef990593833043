"""The pages of API tokens, and the first page."""

import re

from tests.admin_client import AdminClient, unique
from tests.integration.web.browsing import Browser, Shown
from tests.integration.web.conftest import House
from tests.raw_http import RawCall


def value_on(shown: Shown) -> str:
    """Return the value that a page shows this once."""
    assert shown.status == 200, shown
    found = re.search(r'id="value">(aq-[\w-]+)<', shown.body)
    assert found is not None, shown.body
    return found[1]


def works(house: House, value: str) -> bool:
    """Whether the gateway lets a value in."""
    fields = [("authorization", f"Bearer {value}")]
    return RawCall(house.gateway.port).request("GET", "/v1/models", fields).read_all().status == 200


def make(browser: Browser, **form: str) -> tuple[str, str]:
    """Make a token, and return its id and value."""
    shown = browser.post("/ui/tokens", {"name": unique("made")} | form)
    value = value_on(shown)
    found = re.search(r"/ui/tokens/(tok_\w+)", shown.body)
    assert found is not None
    return found[1], value


def test_the_first_page_makes_a_token_on_the_spot_that_works(house: House) -> None:
    shown = house.member.post("/ui/home/token")
    value = re.search(r"Bearer (aq-[\w-]{43})", shown.body)
    assert value is not None
    assert works(house, value[1])
    assert value[1] not in house.member.get("/ui/").body
    assert "http://gateway/v1" in shown.text
    assert "$0.00 of $10.00" in shown.text or " of $10.00" in shown.text


def test_a_token_is_made_with_all_that_was_said(house: House) -> None:
    token_id, value = make(
        house.member,
        lifetime="30",
        models="one, uno",
        networks="127.0.0.0/8",
        requests_per_minute="1,000",
        budget="5",
        period="week",
    )
    assert works(house, value)
    made = house.client.get(f"/api_tokens/{token_id}")
    assert made["allowed_models"] == ["one", "uno"]
    assert made["ip_allow_list"] == ["127.0.0.0/8"]
    assert made["user_id"] == house.client.get("/users/member")["id"]
    shown = house.member.get(f"/ui/tokens/{token_id}")
    assert "$0.00 of $5.00" in shown.text
    assert "1,000" in shown.text
    assert value not in shown.body


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_made(house: House) -> None:
    name = unique("wrong")
    form = {"name": name, "lifetime": "date", "budget": "much", "requests_per_minute": "-1", "networks": "nowhere"}
    shown = house.member.post("/ui/tokens", form)
    assert shown.status == 422
    for field in ("expires_on", "budget", "requests_per_minute"):
        assert f'id="{field}-error"' in shown.body
    assert f'value="{name}"' in shown.body
    taken = make(house.member, name=name)[0]
    again = house.member.post("/ui/tokens", {"name": name})
    assert again.status == 422
    assert "There is already a token named" in again.text
    assert house.client.get(f"/api_tokens/{taken}")["name"] == name


def test_rotation_overlaps_regeneration_does_not_and_revoking_takes_the_name(house: House) -> None:
    name = unique("turning")
    token_id, first = make(house.member, name=name)
    second = value_on(house.member.post(f"/ui/tokens/{token_id}/rotate", {"grace": "3600"}))
    assert works(house, first)
    assert works(house, second)
    third = value_on(house.member.post(f"/ui/tokens/{token_id}/regenerate"))
    assert [works(house, each) for each in (first, second, third)] == [False, False, True]
    assert "was not revoked" in house.member.post(f"/ui/tokens/{token_id}/revoke", {"confirm": "other"}).text
    assert works(house, third)
    assert house.member.post(f"/ui/tokens/{token_id}/revoke", {"confirm": name}).location == "/ui/tokens"
    assert not works(house, third)
    assert f"{name} is revoked." in house.member.get("/ui/tokens").text
    assert name not in house.member.get("/ui/tokens").text
    assert name in house.member.get("/ui/tokens?ended=1").text


def test_a_change_made_on_an_old_page_is_refused_and_what_was_typed_kept(house: House) -> None:
    token_id, _ = make(house.member)
    first = {"name": unique("renamed"), "version": "1", "models": "", "networks": ""}
    assert house.member.post(f"/ui/tokens/{token_id}", first).status == 303
    stale = house.member.post(f"/ui/tokens/{token_id}", first | {"name": "too-late"})
    assert stale.status == 422
    assert "changed by somebody else" in stale.text
    assert 'value="too-late"' in stale.body


def test_tokens_of_others_are_as_if_they_were_not_there(house: House) -> None:
    token_id, value = make(house.member, name="only-the-members")
    for browser in (house.stranger, house.lead):
        for path in ("", "/rotate", "/regenerate", "/revoke"):
            assert browser.post(f"/ui/tokens/{token_id}{path}", {"name": "x", "confirm": "x"}).status == 404
        assert "only-the-members" not in browser.get("/ui/tokens?whose=all").text
    assert house.stranger.get(f"/ui/tokens/{token_id}").status == 404
    assert "only-the-members" in house.boss.get("/ui/tokens?whose=all").text
    assert "only-the-members" in house.admin.get("/ui/tokens?whose=all").text
    assert works(house, value)


def test_a_list_goes_on_page_by_page_and_a_wrong_cursor_is_told(house: House) -> None:
    admin = AdminClient(house.gateway.port, house.gateway.token)
    user = admin.post("/users", {"name": "collector", "organisation": "tenant"})["id"]
    for number in range(27):
        admin.post("/api_tokens", {"name": f"piece-{number:02d}", "user": user})
    browser = house.boss
    found: set[str] = set()
    shown = browser.get("/ui/tokens?whose=all&sort=name&search=piece")
    while True:
        found |= set(re.findall(r"piece-\d\d", shown.text))
        following = re.search(r'href="(\?[^"]+cursor=[^"]+)" rel="next"', shown.body)
        if following is None:
            break
        shown = browser.get("/ui/tokens" + following[1].replace("&amp;", "&"))
    assert len(found) == 27
    assert browser.get("/ui/tokens?cursor=nonsense").status == 422


def test_models_that_somebody_may_not_use_are_not_named_to_him(house: House) -> None:
    assert "secret-model" not in house.member.get("/ui/tokens/new").body
    assert "secret-model" in house.admin.get("/ui/tokens/new").body
