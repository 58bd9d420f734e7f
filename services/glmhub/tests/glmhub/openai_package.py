"""What the unmodified `openai` package does with a hub. Reads on stdin what to ask and what must come, and fails by itself."""

import json
import sys
import time

import openai

given = json.load(sys.stdin)
client = openai.OpenAI(base_url=given["url"] + "/openai/v1", api_key=given["token"], max_retries=0)


def ask(model, purpose, tokens=32, **more):
    content = [
        {"type": "text", "text": given["question"]},
        {"type": "image_url", "image_url": {"url": given["image"]}},
    ]
    return client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": content}],
        max_completion_tokens=tokens,
        extra_body={"purpose": purpose},
        **more,
    )


def answers():
    whole = ask(given["reader"], "commercial")
    assert whole.choices[0].message.content == given["answer"], whole
    assert whole.choices[0].finish_reason == "stop", whole
    assert whole.decision_id.startswith("dec_"), whole

    texts, usage, finish, decision = [], None, None, None
    options = {"include_usage": True}
    for chunk in ask(given["reader"], "commercial", stream=True, stream_options=options):
        assert chunk.object == "chat.completion.chunk", chunk
        if not chunk.choices:
            usage = chunk.usage
            continue
        assert chunk.usage is None, chunk
        texts.append(chunk.choices[0].delta.content or "")
        if chunk.choices[0].finish_reason:
            finish, decision = chunk.choices[0].finish_reason, chunk.decision_id
    texts = [text for text in texts if text]
    assert "".join(texts) == given["answer"], texts
    assert finish == "stop" and decision.startswith("dec_"), (finish, decision)
    assert usage == whole.usage, (usage, whole.usage)


def pieces():
    """An answer that takes a while comes piece by piece. Drawn by this seed it is long: pieces of a short one come together
    where the machine is busy."""
    chunks = list(ask(given["refused"], "research", tokens=300, temperature=1, seed=39, stream=True))
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert len(texts) > 2, texts


def choices():
    """Several answers, cut before a stop, with their tokens: whole and streamed."""
    more = {"n": 2, "stop": given["answer"][4:], "logprobs": True, "top_logprobs": 2, "seed": 7}
    whole = ask(given["reader"], "commercial", **more)
    cut = given["answer"][:4]
    assert [(choice.index, choice.message.content) for choice in whole.choices] == [(0, cut), (1, cut)], whole
    for choice in whole.choices:
        assert choice.finish_reason == "stop", choice
        tokens = choice.logprobs.content
        assert b"".join(bytes(token.bytes) for token in tokens).decode() == cut, tokens
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens), tokens
    texts, tokens = ["", ""], [[], []]
    for chunk in ask(given["reader"], "commercial", stream=True, **more):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            tokens[choice.index] += choice.logprobs.content if choice.logprobs else []
    assert texts == [cut, cut], texts
    assert tokens == [choice.logprobs.content for choice in whole.choices], tokens


def repetitions():
    """The same call with the same key is the same job."""
    header = {"Idempotency-Key": "package " + openai.__version__}
    first = ask(given["reader"], "commercial", extra_headers=header)
    again = ask(given["reader"], "commercial", extra_headers=header)
    assert first.job == again.job and first.choices == again.choices, (first, again)


ENDS = ("completed", "failed", "expired", "cancelled")


def request(name, **more):
    """A line of a file: the question as a chat completion asks it."""
    content = [
        {"type": "text", "text": given["question"]},
        {"type": "image_url", "image_url": {"url": given["image"]}},
    ]
    body = {"model": given["reader"], "messages": [{"role": "user", "content": content}], **more}
    return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body})


def begun(lines, **more):
    """A file of these lines, and a batch over it."""
    file = client.files.create(file=("请求.jsonl", "\n".join(lines).encode()), purpose="batch")
    assert file.filename == "请求.jsonl" and file.status == "processed", file
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more
    )
    assert batch.status == "validating" and batch.input_file_id == file.id, batch
    return file, batch


def over(batch):
    """The batch when it is over, and the states that it went through."""
    seen = [batch.status]
    while batch.status not in ENDS:
        time.sleep(0.02)
        batch = client.batches.retrieve(batch.id)
        if batch.status != seen[-1]:
            seen.append(batch.status)
    return batch, seen


def rows(file):
    return [json.loads(line) for line in client.files.content(file).text.splitlines()]


def batches():
    """A file of requests, answered while the package polls, with answers and errors in files."""
    lines = [request("good"), request("cold", temperature=99), request("own", purpose="evaluation")]
    file, batch = begun(lines, metadata={"run": "1"}, extra_body={"purpose": "commercial"})
    assert client.files.wait_for_processing(file.id).id == file.id
    assert client.files.retrieve(file.id).bytes == len("\n".join(lines).encode())
    batch, seen = over(batch)
    assert seen[-1] == "completed" and "in_progress" in seen, (seen, batch)
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (3, 2, 1), batch
    assert batch.metadata == {"run": "1"} and batch.model == given["reader"], batch
    good, own = rows(batch.output_file_id)
    assert (good["custom_id"], own["custom_id"]) == ("good", "own"), (good, own)
    for row in (good, own):
        answer = openai.types.chat.ChatCompletion.model_validate(row["response"]["body"])
        assert answer.choices[0].message.content == given["answer"], row
    (cold,) = rows(batch.error_file_id)
    assert cold["custom_id"] == "cold" and cold["response"]["status_code"] == 400, cold

    _, other = begun([request("other")])
    assert [one.id for one in client.batches.list(limit=1)][:2] == [other.id, batch.id], "portion by portion"
    assert file.id in [one.id for one in client.files.list(purpose="batch", limit=1)]
    assert batch.output_file_id in [one.id for one in client.files.list(purpose="batch_output")]
    over(other)

    torn, batch = begun([request("one"), "{", request("one")])
    batch, _ = over(batch)
    found = [(fault.code, fault.line) for fault in batch.errors.data]
    assert found == [("invalid_json_line", 2), ("duplicate_custom_id", 3)], batch
    assert batch.output_file_id is None and batch.error_file_id is None, batch
    assert client.files.delete(torn.id).deleted
    try:
        client.files.retrieve(torn.id)
    except openai.NotFoundError as error:
        assert error.code == "not_found", error.code
    else:
        raise AssertionError("a file that was deleted is there")


def cancelled_batches():
    """A batch that is cancelled gives what was answered until then."""
    _, batch = begun([request(f"request-{number}", seed=number, temperature=1.0) for number in range(12)])
    while client.batches.retrieve(batch.id).request_counts.completed == 0:
        time.sleep(0.02)
    batch, seen = over(client.batches.cancel(batch.id))
    assert seen == ["cancelling", "cancelled"], seen
    answered, rest = rows(batch.output_file_id), rows(batch.error_file_id)
    assert len(answered) + len(rest) == 12, (len(answered), len(rest))
    assert {row["error"]["code"] for row in rest} == {"batch_expired"}, rest


def refused_batches():
    """What the gate refuses stands in the file of errors, with its decision."""
    line = json.loads(request("refused", purpose="evaluation"))
    line["body"]["model"] = given["refused"]
    batch, _ = over(begun([json.dumps(line)])[1])
    assert batch.status == "completed" and batch.output_file_id is None, batch
    (row,) = rows(batch.error_file_id)
    error = row["response"]["body"]["error"]
    assert row["response"]["status_code"] == 403 and error["code"] == given["code"], row
    assert error["decision_id"].startswith("dec_"), row


def resent():
    """What the package sends again by itself, because it heard nothing, is made once."""
    # Not those that batches make when they are over, which may come at any time.
    def sent():
        return len(list(client.files.list(purpose="batch", limit=100)))

    files = sent()
    batches = len(list(client.batches.list(limit=100)))
    deaf = client.with_options(max_retries=2, http_client=Deaf())
    file = deaf.files.create(file=("again.jsonl", request("again").encode()), purpose="batch")
    batch = deaf.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert sent() == files + 1
    assert len(list(client.batches.list(limit=100))) == batches + 1
    over(batch)


class Deaf(openai.DefaultHttpxClient):
    """Stands behind a gateway that loses the answer to each request that was not sent before."""

    def send(self, request, **more):
        answer = super().send(request, **more)
        if request.headers.get("x-stainless-retry-count") == "0":
            answer.status_code = 504
        return answer


def models():
    listed = [model.id for model in client.models.list()]
    assert given["reader"] in listed, listed
    assert client.models.retrieve(given["reader"]).id == given["reader"]


def refusals():
    for stream in [False, True]:
        try:
            ask(given["refused"], "evaluation", stream=stream)
        except openai.PermissionDeniedError as error:
            assert error.code == given["code"], error.code
            decision = error.body["decision_id"]
            assert decision.startswith("dec_") and decision in str(error), error
        else:
            raise AssertionError("it was not refused")
    stranger = openai.OpenAI(base_url=given["url"] + "/openai/v1", api_key="none", max_retries=0)
    try:
        stranger.models.list()
    except openai.AuthenticationError as error:
        assert error.code == "token_foreign", error.code
    else:
        raise AssertionError("a stranger was let in")


def webhooks():
    came = given["webhook"]
    event = client.webhooks.unwrap(came["body"], came["headers"], secret=given["secret"])
    assert event.type == "batch.completed", event
    ends = set()
    for end in given["ends"]:
        event = client.webhooks.unwrap(end["body"], end["headers"], secret=given["secret"])
        assert event.object == "event" and event.created_at > 0, event
        assert type(event).__name__ == "Batch" + event.type.split(".")[1].title() + "WebhookEvent", event
        assert client.batches.retrieve(event.data.id).status == event.type.split(".")[1], event
        ends.add(event.type)
    assert ends == {"batch.completed", "batch.failed"}, ends
    try:
        client.webhooks.unwrap(came["body"] + " ", came["headers"], secret=given["secret"])
    except openai.InvalidWebhookSignatureError:
        pass
    else:
        raise AssertionError("a webhook that was altered was accepted")


def revoked():
    """Says on stdout that an answer has begun; by then its licence is to end. An answer may be whole before that."""
    begun = False
    try:
        for chunk in ask(given["model"], "commercial", tokens=300, stream=True):
            if chunk.choices and chunk.choices[0].delta.content and not begun:
                begun = True
                print("begun", flush=True)
    except openai.APIError as error:
        assert begun and error.code == "acceptance_revoked", error
        assert error.body["decision_id"] in str(error), error
        print("closed")
    else:
        print("whole")


if given["act"] == "follow":
    revoked()
else:
    # First of all: the package takes no webhook that is older than five minutes.
    webhooks()
    answers()
    pieces()
    choices()
    repetitions()
    batches()
    cancelled_batches()
    refused_batches()
    resent()
    models()
    refusals()
    print(openai.__version__)
