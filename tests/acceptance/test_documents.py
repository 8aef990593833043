"""Images and files on their way to targets that take them, and to those that do not, through a real gateway."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.acceptance.asking import fetch
from tests.documents import PNG, docx, pdf, pptx, xlsx
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import ScriptedUpstream, completion, error_reply, json_reply, reply, stream_reply

CONFIG = """
providers:
  - {{name: plain, kind: lmstudio, base_url: "{lab}", breaker: false}}
  - {{name: openai, kind: openai, base_url: "{lab}", breaker: false}}
  - {{name: claude, kind: anthropic, base_url: "{lab}", breaker: false, api_key: a-key}}
  - {{name: dropping, kind: openai, base_url: "{lab}", breaker: false, drop_fields: [image_url]}}
  - {{name: inside, kind: local}}
models:
  - {{name: plain, targets: [{{provider: plain, model: m}}]}}
  - {{name: openai, targets: [{{provider: openai, model: m, reads_files: true}}]}}
  - {{name: claude, targets: [{{provider: claude, model: claude-sonnet-4-5}}]}}
  - {{name: blind, targets: [{{provider: openai, model: m, reads_images: false}}]}}
  - {{name: dropping, targets: [{{provider: dropping, model: m, reads_images: false}}]}}
  - name: two
    targets: [{{provider: inside}}, {{provider: plain, model: m, priority: 2}}]
    retries: {{reserve: 1000}}
  - {{name: held, targets: [{{provider: plain, model: m, structured_output: instruction}}]}}
  - {{name: embedded, targets: [{{provider: inside}}]}}
"""


@pytest.fixture(scope="module")
def _servers() -> Iterator[tuple[ScriptedUpstream, ScriptedUpstream]]:
    with ScriptedUpstream() as lab, ScriptedUpstream() as web:
        yield lab, web


@pytest.fixture(scope="module")
def process(
    _servers: tuple[ScriptedUpstream, ScriptedUpstream], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    settings = {"AQUEDUCT_FETCH_NETWORKS": "127.0.0.1/32"}
    config = CONFIG.format(lab=_servers[0].base_url)
    with GatewayProcess(tmp_path_factory.mktemp("documents"), config, settings) as process:
        yield process


@pytest.fixture
def lab(_servers: tuple[ScriptedUpstream, ScriptedUpstream]) -> ScriptedUpstream:
    """Every upstream of the gateway."""
    _servers[0].reset()
    _servers[0].script(json_reply(completion()))
    return _servers[0]


@pytest.fixture
def web(_servers: tuple[ScriptedUpstream, ScriptedUpstream]) -> ScriptedUpstream:
    """Where images and files lie."""
    _servers[1].reset()
    return _servers[1]


@pytest.fixture
def client(process: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key=process.token, max_retries=0) as client:
        yield client


def file_part(data: bytes, name: str, media_type: str = "application/octet-stream") -> Any:
    encoded = base64.b64encode(data).decode()
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{media_type};base64,{encoded}"}}


def image_part(url: str) -> Any:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def ask(client: openai.OpenAI, model: str, *parts: Any, **fields: Any) -> Any:
    content = [{"type": "text", "text": "What is this?"}, *parts]
    messages: Any = [{"role": "user", "content": content}]
    return client.chat.completions.with_raw_response.create(model=model, messages=messages, **fields)


def sent_parts(upstream: ScriptedUpstream) -> Any:
    """The parts of the last message that the upstream got, without the question."""
    return upstream.received[-1].json["messages"][-1]["content"][1:]


def refusal(client: openai.OpenAI, model: str, *parts: Any) -> Any:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, model, *parts)
    return refused.value


def test_documents_become_text_in_their_places(client: openai.OpenAI, lab: ScriptedUpstream) -> None:
    between = {"type": "text", "text": "and"}
    ask(
        client,
        "plain",
        file_part(pdf("Invoice 17"), "invoice.pdf"),
        between,
        file_part(docx("A letter"), "letter.docx"),
        file_part(xlsx({"S": [["x", 1]]}), "table.xlsx"),
        file_part(pptx("A talk", "notes"), "talk.pptx"),
        file_part(b"<html><body><p>A page</p></body></html>", "page.html"),
        file_part(b"a;b\n1;2\n", "data.csv", "text/csv"),
    )
    first, kept, *others = sent_parts(lab)
    assert first == {"type": "text", "text": '<document name="invoice.pdf">\n[Page 1]\nInvoice 17\n</document>'}
    assert kept == between
    words = ["A letter", "| x | 1 |", "A talk", "A page", "a;b\n1;2"]
    assert [word in part["text"] for word, part in zip(words, others, strict=True)] == [True] * 5
    assert {part["type"] for part in others} == {"text"}


def test_what_a_target_reads_itself_reaches_it_untouched(client: openai.OpenAI, lab: ScriptedUpstream) -> None:
    invoice = file_part(pdf("Invoice 17"), "invoice.pdf", "application/pdf")
    ask(client, "openai", invoice, image_part("https://images.example/a.png"))
    assert sent_parts(lab) == [invoice, image_part("https://images.example/a.png")]
    ask(client, "openai", file_part(pdf("Invoice 17"), "a.bin"), file_part(docx("A letter"), "letter.docx"))
    named, letter = sent_parts(lab)
    assert named["file"]["file_data"] == invoice["file"]["file_data"]
    assert "A letter" in letter["text"]
    lab.script(error_reply(400))
    refusal(client, "claude", invoice, file_part(docx("A letter"), "letter.docx"))
    document, letter = lab.received[-1].json["messages"][0]["content"][1:]
    assert (document["type"], document["title"]) == ("document", "invoice.pdf")
    assert "A letter" in letter["text"]


def test_the_embedded_model_answers_about_a_document(client: openai.OpenAI) -> None:
    letter = file_part(docx("The capital of the country of Zubrowka is the city of Lutz."), "atlas.docx")
    question = {"type": "text", "text": "What is the capital of Zubrowka? Answer in one short sentence."}
    messages: Any = [{"role": "user", "content": [letter, question]}]
    answer = client.chat.completions.create(model="embedded", messages=messages, temperature=0, max_tokens=40)
    assert "Lutz" in str(answer.choices[0].message.content)


def test_an_image_by_its_address_is_fetched_for_a_target_that_cannot(
    client: openai.OpenAI, lab: ScriptedUpstream, web: ScriptedUpstream
) -> None:
    here = f"http://127.0.0.1:{web.port}"
    web.script(
        reply(b"", status=302, headers=[("location", "/real.png?size=1"), ("set-cookie", "a=b")]),
        reply(PNG, headers=[("content-type", "text/html")]),
    )
    lab.script(error_reply(500), json_reply(completion()))
    ask(
        client, "plain", image_part(f"{here}/a.png"), image_part(f"{here}/a.png"), image_part("data:image/png;base64,x")
    )
    fetched = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert sent_parts(lab) == [image_part(fetched), image_part(fetched), image_part("data:image/png;base64,x")]
    assert len(lab.received) == 2  # the first attempt failed, and yet
    assert [request.path for request in web.received] == ["/a.png", "/real.png?size=1"]
    assert not {"authorization", "cookie", "referer"} & web.received[-1].headers.keys()


def test_a_file_by_its_address_is_fetched_for_every_target(
    client: openai.OpenAI, lab: ScriptedUpstream, web: ScriptedUpstream
) -> None:
    web.script(reply(pdf("By address")))
    url = f"http://127.0.0.1:{web.port}/files/by%20address.pdf?signature=x"
    ask(client, "plain", {"type": "file", "file": {"file_url": url}})
    assert sent_parts(lab)[0]["text"] == '<document name="by address.pdf">\n[Page 1]\nBy address\n</document>'
    ask(client, "openai", {"type": "file", "file": {"file_data": url, "filename": "x.pdf"}})
    (part,) = sent_parts(lab)
    assert part["file"]["filename"] == "x.pdf"
    assert part["file"]["file_data"].startswith("data:application/pdf;base64,JVBERi")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "url_not_allowed"),
        ("http://127.0.0.2:{port}/a.png", "url_not_allowed"),
        ("http://[::1]:{port}/a.png", "url_not_allowed"),
        ("http://[::ffff:10.0.0.1]/a.png", "url_not_allowed"),
        ("http://0x7f.2:{port}/a.png", "url_not_allowed"),
        ("http://127.0.0.1:{port}/away", "url_not_allowed"),
        ("http://user:password@127.0.0.1:{port}/a.png", "invalid_image_url"),
        ("http://127.0.0.1:{port}/round", "invalid_image_url"),
        ("http://127.0.0.1:{port}/missing", "invalid_image_url"),
        ("http://127.0.0.1:{port}/page", "invalid_image_url"),
        ("http://127.0.0.1:{port}/file", "invalid_image_url"),
        ("http://127.0.0.1:1/closed", "invalid_image_url"),
        ("http://no-such-host.invalid/a.png", "invalid_image_url"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("http://127.0.0.1:{port}/large", "file_too_large"),
    ],
)
def test_an_address_that_is_none_or_leads_elsewhere_is_refused(
    url: str, code: str, client: openai.OpenAI, lab: ScriptedUpstream, web: ScriptedUpstream
) -> None:
    scripts = {
        "/away": reply(b"", status=307, headers=[("location", f"http://127.0.0.2:{web.port}/a.png")]),
        "/round": reply(b"", status=302, headers=[("location", "/round")]),
        "/missing": reply(b"no", status=404),
        "/page": reply(b"<svg onload='alert(1)'/>", headers=[("content-type", "image/png")]),
        "/file": reply(b"", status=302, headers=[("location", "file:///etc/passwd")]),
        "/large": reply(PNG + b"\0" * (10 * 1024 * 1024)),
    }
    web.script(scripts.get("/" + url.rpartition("/")[2], reply(PNG)))
    error = refusal(client, "plain", image_part(url.format(port=web.port)))
    assert (error.code, error.param) == (code, "messages[0].content[1].image_url.url")
    assert str(web.port) not in error.message
    assert lab.received == []
    if code == "url_not_allowed":
        assert len(web.received) == url.endswith("/away")


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        (file_part(pdf("x", password="secret"), "a.pdf"), "file_unreadable", "file"),
        (file_part(b"\x00\x01", "a.exe"), "unsupported_file_type", "file"),
        (file_part(b"x" * (10 * 1024 * 1024 + 1), "a.txt"), "file_too_large", "file"),
        ({"type": "file", "file": {"filename": "a.txt"}}, "missing_required_parameter", "file.file_data"),
        ({"type": "file", "file": {"file_data": "§"}}, "file_unreadable", "file"),
    ],
    ids=range(5),
)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    part: Any, code: str, param: str, client: openai.OpenAI, lab: ScriptedUpstream
) -> None:
    error = refusal(client, "plain", part)
    assert (error.code, error.param) == (code, f"messages[0].content[1].{param}")
    assert lab.received == []


def test_files_that_are_too_large_together_are_refused(client: openai.OpenAI, lab: ScriptedUpstream) -> None:
    parts = [file_part(str(number).encode() * (9 * 1024 * 1024), "a.txt") for number in range(4)]
    assert refusal(client, "plain", *parts).code == "file_too_large"
    assert lab.received == []


def test_images_for_a_model_that_sees_none_are_refused_or_dropped_as_declared(
    client: openai.OpenAI, lab: ScriptedUpstream, web: ScriptedUpstream
) -> None:
    image = image_part(f"http://127.0.0.1:{web.port}/a.png")
    for model in ("blind", "embedded"):
        error = refusal(client, model, image)
        assert (error.param, "image" in error.message) == ("messages[0].content[1]", True)
    assert lab.received == []
    answer = ask(client, "dropping", image)
    assert answer.headers["x-aqueduct-dropped-params"] == "messages.content.image_url"
    (left_out,) = sent_parts(lab)
    assert left_out["type"] == "text"
    assert web.received == []


def test_a_target_that_can_is_asked_where_the_first_cannot(
    client: openai.OpenAI, lab: ScriptedUpstream, web: ScriptedUpstream
) -> None:
    web.script(reply(PNG))
    answer = ask(client, "two", image_part(f"http://127.0.0.1:{web.port}/a.png"))
    assert answer.headers["x-aqueduct-target"] == "plain/m"


def test_a_stream_and_an_answer_held_to_a_schema_know_the_document_too(
    client: openai.OpenAI, lab: ScriptedUpstream
) -> None:
    part = file_part(pdf("Invoice 17"), "invoice.pdf")
    lab.script(stream_reply("Hello."))
    ask(client, "plain", part, stream=True).parse().close()
    assert "Invoice 17" in sent_parts(lab)[0]["text"]
    lab.script(json_reply(completion("no json")), json_reply(completion('{"a": 1}')))
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    ask(client, "held", part, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert ["Invoice 17" in json.dumps(each.json) for each in lab.received] == [True] * 3


def test_what_a_document_says_is_counted_where_the_upstream_counts_nothing(
    process: GatewayProcess, lab: ScriptedUpstream
) -> None:
    counted = completion()
    del counted["usage"]
    lab.script(json_reply(counted))
    part = file_part(b"word " * 1000, "words.txt")
    body = {"model": "plain", "messages": [{"role": "user", "content": [part]}]}
    answer = fetch(process, "POST", "/chat/completions", body)
    assert answer.status == 200
    record = process.usage(answer.headers["x-request-id"])
    assert record["units"]["input_tokens"] > 1000
