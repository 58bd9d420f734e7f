"""Has Schemathesis ask a hub what openapi.yaml describes, and what it does not.

Told on stdin: the hub's `url`, a `token`, the `contract` (a path), `known` values of parameters, and how many `examples`
of each operation. Prints one JSON object with the package's version and what was asked; complaints go to stderr.
"""

import json
import os
import subprocess
import sys
import tempfile

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]
# The same requests each time.
SEED = "20240501"


def config(known):
    """Of every three values of a parameter two are known ones; the third is made up."""
    lines = []
    for name, values in known.items():
        table = name.replace(".", "-")
        lines += [f"[dictionaries.{table}]", f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    for name in known:
        table = name.replace(".", "-")
        lines.append(f'"{name}" = {{ dictionary = "{table}", probability = 0.67 }}')
    return "\n".join(lines)


def run(given):
    with open("config.toml", "w", encoding="utf-8") as file:
        file.write(config(given["known"]))
    arguments = [
        "--config-file", "config.toml", "run", given["contract"], "--url", given["url"],
        "--header", f"Authorization: Bearer {given['token']}", "--checks", ",".join(CHECKS),
        "--phases", "coverage,fuzzing", "--mode", "all", "--max-examples", str(given["examples"]), "--seed", SEED,
        "--generation-database", "none", "--continue-on-failure", "--request-timeout", "60", "--no-color",
        "--output-truncate", "false", "--suppress-health-check", "all",
        "--report", "json", "--report-json-path", "report.json",
    ]  # fmt: skip
    program = [sys.executable, "-m", "schemathesis.cli", *arguments]
    return subprocess.run(program, stdout=sys.stderr, stderr=sys.stderr).returncode


def main():
    given = json.load(sys.stdin)
    # It leaves folders where it runs.
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        code = run(given)
        with open("report.json", encoding="utf-8") as file:
            report = json.load(file)
        os.chdir("/")
    asked = {
        "version": report["schemathesis_version"],
        "operations": report["operations"]["tested"],
        "requests": report["test_cases"]["generated"],
        "not_let_in": report["warnings"]["missing_auth"],
    }
    print(json.dumps(asked))
    sys.exit(code)


main()
