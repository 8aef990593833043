"""What the data plane asks of a principal."""

import pytest

from aqueduct.domain.principal import Principal, compile_networks


@pytest.mark.parametrize(
    ("address", "is_let_in"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_a_list_of_networks_lets_in_only_those(address: str | None, is_let_in: bool) -> None:
    principal = Principal(id="tok_1", ip_allow_list=compile_networks(("192.0.2.0/24", "2001:db8::/32")))
    assert principal.may_come_from(address) == is_let_in


def test_without_a_list_anywhere_will_do() -> None:
    assert Principal(id="tok_1").may_come_from(None)


def test_a_token_ends_by_its_expiry_its_revocation_or_its_owners_end() -> None:
    assert Principal(id="tok_1", expires_at=10.0).is_usable(9.9)
    assert not Principal(id="tok_1", expires_at=10.0).is_usable(10.0)
    assert not Principal(id="tok_1", revoked_at=5.0).is_usable(4.0)
    assert not Principal(id="tok_1", is_suspended=True).is_usable(0.0)
