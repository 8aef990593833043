"""The section `sign_in` becomes what the domain knows, or an error with its line; and what rules make of claims."""

from pathlib import Path
from typing import Any

import pytest

from aqueduct.config.compile import compile_source
from aqueduct.config.load import parse_source
from aqueduct.domain.claims import entitle, look_up
from aqueduct.domain.identity import Role
from aqueduct.domain.sign_in import Issuer, SignIn
from aqueduct.errors import ConfigurationError


def compile_text(text: str, name: str = "aqueduct.yaml") -> SignIn:
    return compile_source(parse_source(text.encode(), name, {"EMPTY": ""}), {}).sign_in


def issuer_text(*lines: str) -> str:
    head = "sign_in:\n  issuers:\n    - name: lab\n      issuer: https://sso.example.org\n      client_id: a\n"
    return head + "".join(f"      {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["nonsense: 1"], "aqueduct.yaml:6: 'nonsense' is not known here"),
        (["client_secret: ${EMPTY}"], "aqueduct.yaml:6: the client_secret is empty"),
        (["client_secret: a", "client_secret_file: b"], "aqueduct.yaml:7: an issuer has either"),
        (["client_secret_file: missing"], "aqueduct.yaml:6: cannot read missing: No such file"),
        (["scopes: [profile]"], "aqueduct.yaml:6: the scopes must have 'openid'"),
        (["scopes: [openid, 'a b']"], "aqueduct.yaml:6: 'a b' is not a scope"),
        (["parameters: {state: x}"], "aqueduct.yaml:6: 'state' cannot be set here"),
        (["networks: [10.0.0.1/8]"], "aqueduct.yaml:6: '10.0.0.1/8' is not a network"),
        (["link_by_email: true"], "aqueduct.yaml:6: link_by_email needs allowed_domains"),
        (["rules: [{when: {groups: x}}]"], "aqueduct.yaml:6: gives nothing"),
        (["rules: [{role: admin}]"], "aqueduct.yaml:6: would make everybody an administrator"),
        (["rules: [{when: {groups: []}, role: member}]"], "aqueduct.yaml:6: an empty list never holds"),
        (["rules: [{when: {groups: {matches: '('}}, role: member}]"], "aqueduct.yaml:6: is not a regular expression"),
        (["rules:", "- {name: a, role: member}", "- {name: a, teams: [x]}"], "aqueduct.yaml:8: the name 'a' is taken"),
        (["rules: [{role: king}]"], "aqueduct.yaml:6: sign_in.issuers[0].rules[0].role: Invalid enum value 'king'"),
    ],
    ids=lambda each: str(each[0]) if isinstance(each, list) else "",
)
def test_what_is_wrong_is_told_with_its_line(lines: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compile_text(issuer_text(*lines))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "url",
    [
        "http://sso.example.org",
        "ftp://sso.example.org",
        "https://",
        "https://user:word@sso.example.org",
        "https://sso.example.org/?a=b",
        "https://sso.example.org/.well-known/openid-configuration",
        "https://sso.example.org:port",
    ],
)
def test_what_cannot_be_an_issuer_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"aqueduct.yaml:4: "):
        compile_text(issuer_text().replace("https://sso.example.org", url))


def test_two_of_a_name_and_no_way_in_at_all_are_refused() -> None:
    twice = issuer_text() + "    - {name: lab, issuer: https://b.example.org, client_id: a}\n"
    with pytest.raises(ConfigurationError, match=r"aqueduct.yaml:6: the issuer name 'lab' is taken"):
        compile_text(twice)
    with pytest.raises(ConfigurationError, match="nobody could sign in"):
        compile_text("sign_in: {passwords: false, passkeys: false}")


def test_a_secret_comes_from_a_file_beside_the_config_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the client\n")
    found = compile_text(issuer_text("client_secret_file: secret"), str(tmp_path / "aqueduct.yaml"))
    assert found.issuers[0].client_secret == "of the client"
    assert "of the client" not in repr(found)


def issuer_with(*rules: str) -> Issuer:
    return compile_text(issuer_text("organisation: ours", "rules:", *(f"- {rule}" for rule in rules))).issuers[0]


def test_the_highest_of_what_rules_give_holds_within_one_organisation() -> None:
    issuer = issuer_with(
        "{when: {groups: a}, teams: [{name: one, role: admin}, two], role: member}",
        "{when: {groups: b}, teams: [one], role: organisation_admin}",
        "{when: {groups: c}, teams: [three], organisation: theirs, role: admin}",
    )
    given = entitle({"groups": ["a", "b"]}, issuer)
    assert (given.organisation, given.role) == ("ours", Role.ORGANISATION_ADMIN)
    assert given.teams == {"one": "admin", "two": "member"}
    assert entitle({"groups": ["a", "c"]}, issuer).teams == {"three": "member"}
    assert entitle({}, issuer).teams == {}


@pytest.mark.parametrize(
    ("when", "claims", "holds"),
    [
        ("{claims: {a.b: x}}", {"a": {"b": ["y", "x"]}}, True),
        ("{claims: {https://e.org/g: x}}", {"https://e.org/g": "x"}, True),
        ("{claims: {https://e.org/g.h: x}}", {"https://e.org/g": {"h": "x"}}, True),
        ("{claims: {a: 'true'}}", {"a": True}, True),
        ("{claims: {a: '7'}}", {"a": 7}, True),
        ("{claims: {a: true}}", {"a": None}, True),
        ("{claims: {a: false}}", {}, True),
        ("{claims: {a: false}}", {"a": 1}, False),
        ("{claims: {a: x}}", {"a": {"x": 1}}, False),
        ("{claims: {a: x}}", {"a": "xy"}, False),
        ("{groups: {matches: ai-.}}", {"groups": ["ai-1"]}, True),
        ("{groups: {matches: ai-.}}", {"groups": ["ai-12"]}, False),
        ("{email_domains: [E.org]}", {"email": "a@e.ORG", "email_verified": True}, True),
        ("{email_domains: [e.org]}", {"email": "a@e.org"}, False),
        ("{email_domains: [e.org]}", {"email": "a@e.org@f.org", "email_verified": True}, False),
        ("{groups: x, claims: {a: y}}", {"groups": ["x"]}, False),
    ],
)
def test_a_rule_holds_when_all_that_it_says_does(when: str, claims: dict[str, Any], holds: bool) -> None:
    given = entitle(claims, issuer_with(f"{{when: {when}, teams: [t]}}"))
    assert bool(given.teams) is holds


def test_a_claim_is_looked_up_by_its_own_name_first() -> None:
    assert look_up({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
