"""What the unmodified `openai` package does with a hub. Reads on stdin what to ask and what must come, and fails by itself."""

import json
import sys

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
    assert len(texts) > 1, texts
    assert finish == "stop" and decision.startswith("dec_"), (finish, decision)
    assert usage == whole.usage, (usage, whole.usage)


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
    event = client.webhooks.unwrap(came["body"], came["headers"], secret=came["secret"])
    assert event.type == "batch.completed", event
    try:
        client.webhooks.unwrap(came["body"] + " ", came["headers"], secret=came["secret"])
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
    answers()
    choices()
    repetitions()
    models()
    refusals()
    webhooks()
    print(openai.__version__)
