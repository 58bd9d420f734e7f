"""Receivers' own packages, unmodified, on webhooks as they came. On stdin: the secret, the public keys, and the messages."""

import base64
import json
import sys

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
import standardwebhooks
import svix


def refuses(verify, error):
    try:
        verify()
    except error:
        return
    raise AssertionError("a forged webhook was taken")


def v1(secret, headers, body):
    for package, error in [
        (standardwebhooks, standardwebhooks.WebhookVerificationError),
        (svix, svix.WebhookVerificationError),
    ]:
        webhook = package.Webhook(secret)
        webhook.verify(body, headers)
        refuses(lambda: webhook.verify(body + b" ", headers), error)


def v1a(public_key, headers, body):
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    tokens = [token.split(",", 1) for token in headers["webhook-signature"].split(" ")]
    signatures = [base64.b64decode(value) for version, value in tokens if version == "v1a"]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body

    def verified(content):
        for signature in signatures:
            try:
                return key.verify(signature, content)
            except InvalidSignature:
                pass
        raise InvalidSignature

    verified(content)
    refuses(lambda: verified(content + b" "), InvalidSignature)


def cloudevent(message, headers, body):
    assert headers["content-type"] == "application/cloudevents+json", headers
    event = from_http_event(HTTPMessage(headers, body))
    assert event.get_id() == headers["webhook-id"]
    assert event.get_type() == message["type"], event.get_type()
    assert event.get_specversion() == "1.0"
    assert event.get_source() == message["source"]
    assert event.get_time() is not None
    assert event.get_data()["url"] == message["source"] + event.get_subject()


given = json.load(sys.stdin)
for message in given["messages"]:
    headers, body = message["headers"], base64.b64decode(message["body"])
    for secret in message["secrets"]:
        v1(secret, headers, body)
    for public_key in message["public_keys"]:
        v1a(public_key, headers, body)
    if message["form"] == "cloudevents":
        cloudevent(message, headers, body)
    else:
        assert json.loads(body)["type"] == message["type"]
print(len(given["messages"]))
