"""Reads a hub's metrics with the parser of Prometheus' own package for Python."""

import importlib.metadata
import json
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

given = json.load(sys.stdin)
with urllib.request.urlopen(given["url"] + "/metrics") as response:
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4"), response.headers
    text = response.read().decode()
families = {family.name: family for family in text_string_to_metric_families(text)}
requests = families["glmhub_request_seconds"]
assert requests.type == "histogram", requests.type
counts = [one for one in requests.samples if one.name == "glmhub_request_seconds_count"]
ends = [one for one in requests.samples if one.labels.get("le") == "+Inf"]
assert counts and sum(one.value for one in counts) == sum(one.value for one in ends), requests
assert families["glmhub_part_up"].type == "gauge"
assert {one.labels["part"] for one in families["glmhub_part_up"].samples} >= {"records", "queue"}
print(importlib.metadata.version("prometheus_client"))
