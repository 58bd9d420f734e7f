#!/usr/bin/env python3
"""A webhook receiver of the size of an example: verifies Standard Webhooks signatures and keeps what it got.

usage: demo_receiver.py PORT_FILE SECRET_FILE RECEIVED_FILE

Listens on a free loopback port and writes it to PORT_FILE. Each request is checked against the secret in
SECRET_FILE (written once the endpoint is registered) and put into RECEIVED_FILE as a line of JSON.
"""
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT_FILE, SECRET_FILE, RECEIVED_FILE = sys.argv[1:4]
TOLERANCE_SECONDS = 300


def is_genuine(headers, body):
    """Whether one of the request's v1 signatures is ours and its time is near now."""
    with open(SECRET_FILE, encoding="ascii") as file:
        key = base64.b64decode(file.read().strip().removeprefix("whsec_"))
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    if abs(time.time() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{identity}.{stamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    offered = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(each, f"v1,{expected}") for each in offered)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        genuine = is_genuine(self.headers, body)
        line = {"id": self.headers.get("webhook-id"), "verified": genuine, "event": json.loads(body)}
        with open(RECEIVED_FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.send_response(204 if genuine else 401)
        self.end_headers()

    def log_message(self, *_):
        """Silent: the demonstration tells what came."""


server = HTTPServer(("127.0.0.1", 0), Receiver)
draft = PORT_FILE + ".draft"
with open(draft, "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.replace(draft, PORT_FILE)
server.serve_forever()
