"""What a study's bundle holds, and what of it is secret."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.builders import measurement, study_start, trial, window
from tuner.manifests.model import Rendered
from tuner.report.bundle import copied, zipped
from tuner.space.model import Configuration
from tuner.trials.copied import masked_digests
from tuner.trials.folder import StudyFolder
from tuner.trials.journal import Journal, read, rewritten
from tuner.trials.model import Failed, Measured

MANIFEST = """\
kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: a
          args: [--api-key=hush-args, --verbose]
          env: [{name: DB_PASSWORD, value: "hush \\"quoted\\""}, {name: MINE, value: hush-mine}]
"""
SECRETS = ("hush-args", 'hush "quoted"', "hush-mine", "hush-header", "hush-body")


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    study = StudyFolder(tmp_path / "studies" / "iris")
    with Journal.open(study.journal) as journal:
        journal.begin(study_start(mask=("MINE",)))
        journal.finish(trial(0, Measured(measurement=measurement(window())), Configuration(values={"workers": 1})))
        said = "\n".join(f"login {secret} at https://me:hush-url@host/" for secret in SECRETS)
        failed = Failed(stage="start", kind="crashed", reason=SECRETS[1], logs=said)
        journal.finish(trial(1, failed, Configuration(values={"workers": 2})))
    files = {
        "inputs.json": "{}",
        "inputs/space.yaml": "workload: {headers: {Authorization: hush-header}}\n",
        "inputs/request.json": '{"token": "hush-body", "max_tokens": 5}',
        "inputs/elsewhere/1/body.bin": None,
        "trials/0000/manifest.yaml": MANIFEST,
        "trials/0001/manifest.yaml": "kind: Pod\n",
        "trials/0001/server.log": "x" * 100_000 + f" {SECRETS[0]} end\n",
        "report.json": json.dumps({"logs": SECRETS}),
        "applied/now/before.yaml": "kind: Secret\n",
        "optuna.db": "",
        "journal.jsonl.torn": "hush-args",
        "notes.txt": "mine",
    }
    for name, text in files.items():
        (study.root / name).parent.mkdir(parents=True, exist_ok=True)
        (study.root / name).write_bytes(b"\xff\x00" if text is None else text.encode())
    return study


def unpacked(folder: StudyFolder, into: Path) -> tuple[StudyFolder, tuple[str, ...]]:
    made = copied(folder, ["MINE"])
    assert zipped(made.files) == zipped(dict(made.files))
    with zipfile.ZipFile(io.BytesIO(zipped(made.files))) as archive:
        archive.extractall(into / "iris")
    return StudyFolder(into / "iris"), made.masked


def test_no_secret_is_in_it_wherever_it_stood(folder: StudyFolder, tmp_path: Path) -> None:
    there, names = unpacked(folder, tmp_path / "there")
    assert set(names) == {"Authorization", "token", "api-key", "DB_PASSWORD", "MINE"}
    for path in (tmp_path / "there").rglob("*"):
        assert not path.is_file() or b"hush" not in path.read_bytes(), path
    assert json.loads((there.inputs / "request.json").read_text())["max_tokens"] == 5
    assert (there.inputs / "elsewhere" / "1" / "body.bin").read_bytes() == b"\xff\x00"


def test_its_journal_is_read_as_it_was_but_for_them(folder: StudyFolder, tmp_path: Path) -> None:
    there, _ = unpacked(folder, tmp_path / "there")
    before, after = read(folder.journal), read(there.journal)
    assert after.start == before.start
    assert after.trials[0] == before.trials[0]
    outcome = after.trials[1].outcome
    assert isinstance(outcome, Failed)
    assert outcome.reason == "***"
    assert outcome.logs.splitlines()[0] == "login *** at https://***@host/"


def test_what_was_masked_is_written_down(folder: StudyFolder, tmp_path: Path) -> None:
    there, _ = unpacked(folder, tmp_path / "there")
    masked = Rendered(text=there.manifest(0).read_text(), objects=())
    assert masked_digests(there) == {"0": masked.digest}, "that of trial 1 is as it was"


def test_only_what_is_of_the_study_is_in_it(folder: StudyFolder, tmp_path: Path) -> None:
    there, _ = unpacked(folder, tmp_path / "there")
    names = {str(path.relative_to(there.root)) for path in there.root.rglob("*") if path.is_file()}
    assert names == {
        *("journal.jsonl", "inputs.json", "masked.json", "report.json"),
        *("inputs/space.yaml", "inputs/request.json", "inputs/elsewhere/1/body.bin"),
        *("trials/0000/manifest.yaml", "trials/0001/manifest.yaml", "trials/0001/server.log"),
    }
    log = there.log(1).read_text()
    assert log.endswith(" *** end\n")
    assert len(log) < 70_000


def test_a_journal_of_before_can_be_rewritten() -> None:
    path = Path(__file__).parent.parent / "trials" / "recorded" / "version_0_1.jsonl"
    assert rewritten(path.read_bytes(), str) == path.read_bytes()
