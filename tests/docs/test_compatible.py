"""The page on providers says of the services that speak OpenAI's format what the code does."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.docs.pages import REFERENCE, table_rows

from aqueduct.config.file import ConfigFile
from aqueduct.providers.compatible.quirks import Quirks
from aqueduct.providers.compatible.rows import QUIRKS
from aqueduct.providers.registry import KINDS

PROVIDERS = REFERENCE / "providers.md"


def words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def service_row(kind: str, quirks: Quirks) -> str:
    """Write where a service is, and how it answers."""
    known = KINDS[kind]
    cells = [
        f"`{kind}`",
        words([known.default_base_url] if known.default_base_url else []),
        words(known.adapter),
        f"`{known.structured_output.value}`",
        "native" if quirks.has_choices else "a call each",
        quirks.usage.value,
        quirks.reasoning.value,
        "itself" if quirks.fetches_urls else "the gateway",
    ]
    return f"| {' | '.join(cells)} |\n"


def field_row(kind: str, quirks: Quirks) -> str:
    """Write what becomes of a request's fields."""
    renamed = [f"`{old}` → `{new}`" for old, new in quirks.renamed.items()]
    mapped = [f"`{name}`" for name in quirks.values]
    formats = ["`response_format`"] if quirks.schema_member or not quirks.has_json_object else []
    members = [f"`messages[].{old}` → `{new}`" for old, new in quirks.message_members.items() if new]
    roles = [f"`{old}` → `{new}`" for old, new in quirks.roles.items()]
    lost = [f"messages[].{name}" for name, new in quirks.message_members.items() if new is None]
    left_out = words(sorted({*quirks.dropped, *lost}))
    changed = ", ".join([*renamed, *mapped, *formats, *members, *roles]) or "-"
    return f"| `{kind}` | {changed} | {words(sorted(quirks.refused))} | {left_out} |\n"


def table(rows: Iterable[str]) -> str:
    return "".join(rows)


def test_every_service_is_documented_as_it_is_and_no_other() -> None:
    page = PROVIDERS.read_text()
    assert table(service_row(*item) for item in QUIRKS.items()) in page
    assert table(field_row(*item) for item in QUIRKS.items()) in page
    documented = {row[0] for row in table_rows(PROVIDERS, "OpenAI-compatible services") if len(row) == 8}
    assert documented == QUIRKS.keys()


def test_every_service_is_a_kind() -> None:
    assert QUIRKS.keys() <= KINDS.keys()


def test_every_rule_for_errors_is_documented_and_no_other() -> None:
    rows = [row[:3] for row in table_rows(PROVIDERS, "Errors that their status misleads about")]
    assert rows == [
        [kind, str(rule.status), rule.meaning.value] for kind, quirks in QUIRKS.items() for rule in quirks.errors
    ]


def test_the_configs_of_the_page_are_accepted(tmp_path: Path) -> None:
    text = PROVIDERS.read_text().partition("## OpenAI-compatible services")[2].partition("\n## ")[0]
    environment = {"MISTRAL_API_KEY": "k" * 20, "AZURE_OPENAI_API_KEY": "k" * 20}
    configs = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(configs) == 2
    for number, config in enumerate(configs):
        file = tmp_path / f"{number}.yaml"
        file.write_text(config)
        assert ConfigFile(file, environment, KINDS).load().models
