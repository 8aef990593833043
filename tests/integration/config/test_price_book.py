"""The price book: the real catalogue, read by another process."""

import sys

import pytest

from aqueduct.config import price_book
from aqueduct.config.compile import compile_source
from aqueduct.config.load import parse_source
from aqueduct.config.price_book import PriceBook
from aqueduct.domain.price import cost
from aqueduct.domain.snapshot import Snapshot
from aqueduct.providers.registry import KINDS

CONFIG = b"""
providers:
  - {name: openai, kind: openai, base_url: "https://api.openai.com/v1"}
  - {name: lab, kind: openai, base_url: "http://10.0.0.5:8000/v1"}
  - {name: google, kind: openai, base_url: "https://generativelanguage.googleapis.com/v1beta/openai"}
models:
  - name: gpt
    aliases: [main]
    targets: [{provider: openai, model: gpt-4.1-2025-04-14}, {provider: lab, model: gpt-4.1}]
  - {name: own, targets: [{provider: openai, model: gpt-4.1, price: {input_per_million: 1}, context_window: 5000}]}
  - {name: unlimited, targets: [{provider: openai, model: gpt-4.1, context_window: unknown}]}
  - {name: gemini, targets: [{provider: google, model: gemini-2.5-pro}]}
  - {name: "*", targets: [{provider: openai, model: "*"}]}
"""
MILLIONS = {"input_tokens": 1_000_000, "cached_tokens": 1_000_000, "output_tokens": 1_000_000}


@pytest.fixture
def snapshot() -> Snapshot:
    return compile_source(parse_source(CONFIG, "a.yaml", {}), KINDS)


async def test_targets_without_prices_get_those_of_the_catalogue_and_nothing_is_loaded_here(snapshot: Snapshot) -> None:
    book = PriceBook()
    priced = await book.complete(snapshot)
    (openai, lab), (own,), (unlimited,), (gemini,), (wildcard,) = (model.targets for model in priced.models)
    found = cost(MILLIONS, openai.prices, 1.8e9)
    assert found is not None
    assert (found.currency, found.nano) == ("USD", 8_500_000_000)
    assert (lab.prices, wildcard.prices) == ((), ())
    assert own.prices == snapshot.models[1].targets[0].prices
    assert priced.by_name["main"] is priced.models[0]
    assert priced.wildcard is priced.models[4]
    # Windows too, where the config does not say.
    windows = [each.context_window for each in (openai, lab, own, unlimited, gemini, wildcard)]
    assert windows[0] is not None
    assert windows[0] >= 1_000_000
    assert windows[1:4] == [None, 5000, None]
    assert windows[5] is None
    assert [threshold for threshold, _ in gemini.prices[-1].tiers] == [0, 200_001]
    assert "genai_prices" not in sys.modules


async def test_a_name_behind_the_wildcard_is_looked_up_once(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = PriceBook()
    provider = snapshot.models[0].targets[0].provider
    (price, *_) = await book.find(provider, "gpt-4.1")
    assert price.currency == "USD"
    assert await book.find(provider, "no-such-model") == ()
    monkeypatch.setattr(price_book, "CHILD", "no.such.module")
    assert await book.find(provider, "gpt-4.1") == (price,)
    assert await book.find(provider, "no-such-model") == ()


async def test_without_a_catalogue_prices_are_unknown(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(price_book, "CHILD", "no.such.module")
    priced = await PriceBook().complete(snapshot)
    assert priced.models[0].targets == snapshot.models[0].targets
    assert "No module named" in capfd.readouterr().err


@pytest.mark.parametrize("host", ["localhost", "vllm:8000", "10.0.0.5:8000", "[::1]:8000", "[::ffff:10.0.0.5]"])
async def test_no_process_is_started_for_what_no_catalogue_has(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], host: str
) -> None:
    monkeypatch.setattr(price_book, "CHILD", "no.such.module")
    own = CONFIG.replace(b"api.openai.com", host.encode()).replace(b"generativelanguage.googleapis.com", b"127.0.0.1")
    snapshot = compile_source(parse_source(own, "a.yaml", {}), KINDS)
    priced = await PriceBook().complete(snapshot)
    assert priced.models[0].targets == snapshot.models[0].targets
    assert await PriceBook().find(snapshot.models[0].targets[0].provider, "gpt-4.1") == ()
    assert capfd.readouterr().err == ""
