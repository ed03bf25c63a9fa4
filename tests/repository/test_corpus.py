"""The corpus benchmark: manifests of others, each sorted, tried and counted, whatever is in them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.repository.checkout import ROOT

SERVED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - {name: rank, image: "example/rank:1", command: [gunicorn, -w, "2", "app:app"], ports: [{containerPort: 8080}]}
"""


def test_each_file_has_a_fate_and_is_counted(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    (corpus / "one").mkdir(parents=True)
    (corpus / "one" / "served.yaml").write_text(SERVED)
    (corpus / "one" / "unknown.yaml").write_text(SERVED.replace("  selector:", "  replica: 1\n  selector:"))
    (corpus / "one" / "template.yaml").write_text(SERVED.replace('"example/rank:1"', "{{ .Values.image }}"))
    (corpus / "values.yaml").write_text("replicas: 1\n")
    (corpus / "crd.json").write_text(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}))
    spaces, fates = tmp_path / "spaces", tmp_path / "fates.jsonl"
    command = [ROOT / "scripts" / "benchmark" / "corpus", corpus, "--spaces", spaces, "--fates", fates]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = {one["file"]: one for one in map(json.loads, fates.read_text().splitlines())}
    assert found["one/served.yaml"] | {"text": ""} == {
        "file": "one/served.yaml",
        "sort": "servable",
        "stage": "passed",
        "reason": "",
        "text": "",
    }
    assert found["one/unknown.yaml"]["stage"] == "init"
    assert "unknown field" in found["one/unknown.yaml"]["text"]
    assert found["one/template.yaml"]["sort"] == "template"
    assert found["values.yaml"]["sort"] == "no manifest"
    assert found["crd.json"]["sort"] == "no workload"
    assert (spaces / "one" / "served.yaml.space.yaml").read_text().startswith("# yaml-language-server")
    row = next(line for line in told.splitlines() if line.startswith("| one"))
    assert [cell.strip() for cell in row.split("|")][2:8] == ["3", "2", "1", "0", "1", "50.0%"]
