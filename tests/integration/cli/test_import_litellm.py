"""`aqueduct import-litellm`, and what `aqueduct check` says of its result."""

from pathlib import Path

from tests.integration.cli.conftest import CommandLine
from tests.unit.config.litellm_import.configs import SMALL_TEAM

KEYS = {"OPENAI_API_KEY": "k-1", "AZURE_EU_KEY": "k-2", "ANTHROPIC_KEY": "k-3"}


def test_a_config_is_written_and_check_explains_what_was_not_carried_over(fresh: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "litellm.yaml").write_text(SMALL_TEAM)
    done = fresh.run("import-litellm", "litellm.yaml", "-o", "aqueduct.yaml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "2 models with 3 targets" in done.stderr
    assert "ANTHROPIC_KEY (its value is in line 25 there)" in done.stderr
    assert "litellm.yaml, line 32: 'num_retries' is not carried over" in done.stderr
    written = (tmp_path / "aqueduct.yaml").read_text()
    assert "secret-" not in written + done.stderr
    with_keys = CommandLine(fresh.data_dir, KEYS)
    checked = with_keys.run("check", "--config", "aqueduct.yaml")
    assert checked.returncode == 0, checked.stderr
    assert "aqueduct.yaml:5: from LiteLLM's config, line 32: 'num_retries' is not carried over" in checked.stderr
    assert fresh.error("import-litellm", "litellm.yaml", "-o", "aqueduct.yaml").endswith("--force writes over it\n")
    assert fresh.output("import-litellm", "litellm.yaml") == written
