"""huggingface_hub, unmodified, pulls a model from a hub. What there is to pull is told on stdin as JSON."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

given = json.load(sys.stdin)
home = tempfile.TemporaryDirectory()
os.environ.update(
    HF_HOME=home.name, HF_ENDPOINT=given["url"] + "/hf", HF_TOKEN=given["token"], HF_HUB_DISABLE_TELEMETRY="1"
)

import huggingface_hub  # noqa: E402: the address is read when it is imported
from huggingface_hub import HfApi, hf_hub_download, snapshot_download  # noqa: E402
from huggingface_hub.errors import (  # noqa: E402
    EntryNotFoundError,
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

MODEL = given["model"]
api = HfApi()


def fails(kind, call):
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"{call} did not end in {kind}")


me = api.whoami()
assert me["orgs"][0]["name"] == "acme", me
info = api.model_info(MODEL)
assert info.id == MODEL and info.gated is False, info
assert info.card_data.license_name == "glm-4", info.card_data
assert MODEL in [model.id for model in api.list_models(author=MODEL.split("/")[0])]
assert [branch.target_commit for branch in api.list_repo_refs(MODEL).branches] == [info.sha]
listed = {entry.path: entry.size for entry in api.list_repo_tree(MODEL, recursive=True)}
assert listed["NOTICE.txt"] > 0, listed

folder = Path(snapshot_download(MODEL))
for path, sha256 in given["files"].items():
    assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == sha256, path
assert "Built with glm-4" in (folder / "NOTICE.txt").read_text()
assert list((folder / "TERMS").iterdir()), "the terms did not ride along"
assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(listed)
one = Path(hf_hub_download(MODEL, "config.json", revision=info.sha))
assert one.read_bytes() == (folder / "config.json").read_bytes()
fails(EntryNotFoundError, lambda: hf_hub_download(MODEL, "absent.bin"))
fails(RevisionNotFoundError, lambda: api.model_info(MODEL, revision="v9"))
fails(RepositoryNotFoundError, lambda: api.model_info("no/such"))

commercial = HfApi(endpoint=given["url"] + "/hf/for/commercial")
assert commercial.model_info(MODEL).gated == "manual"
for call in (
    lambda: commercial.auth_check(MODEL),
    lambda: commercial.hf_hub_download(MODEL, "config.json", cache_dir=home.name + "/other"),
):
    told = fails(GatedRepoError, call)
    assert "POST /v1/acceptances" in told and "(dec_" in told, told

reviewer = HfApi(endpoint=given["url"] + "/hf", token=given["reviewer"])
asked = list(reviewer.list_pending_access_requests(MODEL))
assert [request.username for request in asked] == ["acme"], asked
fails(Exception, lambda: reviewer.reject_access_request(MODEL, "other", rejection_reason="unknown"))
reviewer.reject_access_request(MODEL, "acme", rejection_reason="the number is not in the register")
assert list(reviewer.list_pending_access_requests(MODEL)) == []
assert "acme" in [request.username for request in reviewer.list_rejected_access_requests(MODEL)]
fails(Exception, lambda: reviewer.grant_access(MODEL, "acme"))
fails(Exception, lambda: list(api.list_pending_access_requests(MODEL)))

command = Path(huggingface_hub.__file__).parent.parent / "bin" / "hf"
pulled = Path(home.name, "pulled")
subprocess.run(
    [sys.executable, command, "download", MODEL, "--local-dir", pulled], check=True, stdout=sys.stderr, stderr=sys.stderr
)
assert (pulled / "config.json").read_bytes() == one.read_bytes()
print(huggingface_hub.__version__)
