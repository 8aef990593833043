"""The page on the admin API names every path with its methods, and no other."""

from tests.docs.pages import REFERENCE, table_rows

from aqueduct.admin_api.application import describe_application
from aqueduct.admin_api.schemas import PREFIX

METHODS = {"get", "post", "patch", "delete"}


def test_every_path_of_the_admin_api_is_documented_and_no_other() -> None:
    rows = table_rows(REFERENCE / "admin-api.md", "Admin API")
    documented = {(method.strip().lower(), PREFIX + path) for methods, path, _ in rows for method in methods.split(",")}
    paths = describe_application()["paths"]
    assert documented == {(method, path) for path, item in paths.items() for method in METHODS & set(item)}
