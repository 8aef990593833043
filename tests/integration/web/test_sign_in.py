"""Signing in and out, and what protects it."""

import json
import re

from tests.integration.web.browsing import PASSWORD, SESSION, Browser
from tests.integration.web.conftest import House
from tests.raw_http import RawCall
from tests.scripted_upstream import completion, json_reply


def test_strangers_are_led_to_the_sign_in_page_and_back_afterwards(house: House) -> None:
    browser = house.nobody
    assert browser.get("/").location == "/ui/"
    shown = browser.get("/ui/tokens?sort=name")
    assert shown.location == "/ui/sign-in?next=%2Fui%2Ftokens%3Fsort%3Dname"
    assert 'name="next" value="/ui/tokens?sort=name"' in browser.get(shown.location).body
    wanted = {"name": "member", "password": PASSWORD, "next": "/ui/tokens?sort=name"}
    assert browser.visit("POST", "/ui/sign-in", wanted).location == "/ui/tokens?sort=name"


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(house: House) -> None:
    shown = [
        house.nobody.visit("POST", "/ui/sign-in", {"name": name, "password": "not this one"})
        for name in ("boss", "nobody-of-that-name")
    ]
    assert {each.status for each in shown} == {401}
    assert all("The name or the password is wrong." in each.text for each in shown)
    assert all("not this one" not in each.body for each in shown)


def test_who_guesses_has_to_wait_and_others_do_not(house: House) -> None:
    statuses = [
        house.nobody.visit("POST", "/ui/sign-in", {"name": "tenant/lead", "password": "guess"}).status for _ in range(6)
    ]
    assert statuses == [401] * 5 + [429]
    shown = house.nobody.visit("POST", "/ui/sign-in", {"name": "tenant/lead", "password": PASSWORD})
    assert shown.status == 429
    assert "Try again in 15 minutes" in shown.text
    house.nobody.sign_in("lead@example.org")


def test_signing_in_gives_another_value_and_ends_the_session_before(house: House) -> None:
    browser = house.nobody.sign_in("member")
    before = browser.cookies[SESSION]
    browser.sign_in("member")
    assert browser.cookies[SESSION] != before
    assert Browser(house.gateway.port, {SESSION: before}).get("/ui/").status == 303


def test_a_value_that_was_planted_is_not_taken_over(house: House) -> None:
    planted = "aqs-" + "a" * 43
    browser = Browser(house.gateway.port, {SESSION: planted}).sign_in("member")
    assert browser.cookies[SESSION] != planted


def test_only_hashes_are_stored(house: House) -> None:
    browser = house.nobody.sign_in("member")
    stored = str(house.gateway.query("SELECT * FROM sessions")) + str(house.gateway.query("SELECT * FROM passwords"))
    assert browser.cookies[SESSION] not in stored
    assert PASSWORD not in stored
    assert "$argon2id$" in stored


def test_a_session_can_be_ended_by_whose_it_is_and_by_nobody_else(house: House) -> None:
    theirs = house.nobody.sign_in("boss")
    page = house.boss.get("/ui/account").body
    ids = set(re.findall(r"/ui/account/sessions/(ses_\w+)/end", page))
    assert len(ids) >= 2
    for session_id in ids:
        assert house.member.post(f"/ui/account/sessions/{session_id}/end").status == 404
    assert theirs.get("/ui/").status == 200
    assert house.boss.post("/ui/account/sessions/others").location == "/ui/account"
    assert theirs.get("/ui/").status == 303
    assert house.boss.get("/ui/").status == 200


def test_signing_out_ends_the_session_and_not_only_the_cookie(house: House) -> None:
    browser = house.nobody.sign_in("member")
    value = browser.cookies[SESSION]
    assert browser.post("/ui/sign-out").location == "/ui/sign-in"
    assert SESSION not in browser.cookies
    assert Browser(house.gateway.port, {SESSION: value}).get("/ui/").status == 303


def test_another_password_takes_the_present_one_and_ends_other_sessions(house: House) -> None:
    link = house.links["changer"]
    assert link.startswith("https://gateway.example/ui/sign-in/link#aql-")
    first = house.nobody.follow(link)
    assert house.nobody.visit("POST", "/ui/sign-in/link", {"code": link.partition("#")[2]}).status == 422
    second, third = house.nobody.sign_in("changer"), house.nobody.sign_in("changer")
    wanted = {"password": "another battery staple", "again": "another battery staple"}
    assert "This is not your present password." in second.post("/ui/account/password", wanted | {"present": "no"}).text
    short = second.post("/ui/account/password", {"password": "short", "again": "short", "present": PASSWORD})
    assert "at least 12 characters" in short.text
    assert second.post("/ui/account/password", wanted | {"present": PASSWORD}).status == 303
    assert [each.get("/ui/").status for each in (first, second, third)] == [303, 200, 303]


def test_who_is_deactivated_is_out_with_the_next_page(house: House) -> None:
    user = house.client.get("/users/leaver")
    browser = house.nobody.follow(house.links["leaver"])
    assert browser.get("/ui/").status == 200
    house.client.ask("PATCH", f"/users/{user['id']}", {"is_active": False}, if_match="*")
    assert browser.get("/ui/").status == 303
    assert house.nobody.visit("POST", "/ui/sign-in", {"name": "leaver", "password": PASSWORD}).status == 401


def test_plain_http_from_elsewhere_is_told_why_it_cannot_be(house: House) -> None:
    shown = house.nobody.visit(
        "POST", "/ui/sign-in", {"name": "member", "password": PASSWORD}, sec_fetch_site="", origin="http://gateway"
    )
    assert shown.status == 422
    assert "Open it by https://" in shown.text


def test_signing_in_and_out_is_in_the_audit_log(house: House) -> None:
    browser = house.nobody.sign_in("boss")
    browser.post("/ui/sign-out")
    entries = house.client.get("/audit?sort=-happened_at&limit=10")["data"]
    assert {"sign_in", "sign_out"} <= {each["action"] for each in entries if each["actor_name"] == "boss"}


def test_a_page_may_call_a_model_with_the_session_and_another_site_may_not(house: House) -> None:
    body = json.dumps({"model": "one", "messages": [{"role": "user", "content": "hi"}]}).encode()
    browser = house.member
    cookie = f"{SESSION}={browser.cookies[SESSION]}"

    def call(**headers: str) -> int:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = RawCall(house.gateway.port).request("POST", "/v1/chat/completions", fields.items(), body)
        return sent.read_all().status

    assert call(cookie=cookie) == 401
    assert call(cookie=cookie, x_aqueduct_csrf="wrong") == 401
    house.lab.script(json_reply(completion()))
    assert call(cookie=cookie, x_aqueduct_csrf=browser.csrf) == 200
    record = house.gateway.find_usage(operation="chat", user_id=house.client.get("/users/member")["id"])
    assert record["api_token_id"].startswith("ses_")
