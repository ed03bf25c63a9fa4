"""What a study keeps of its inputs, and where it finds them again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.builders import study_start
from tests.space.written import whole
from tuner.errors import InputError, StoreFailure
from tuner.space.digest import input_digest, input_files
from tuner.space.file.read import read
from tuner.space.model import SearchSpace
from tuner.targets.kept import base_manifest, changed, keep, read_space, table_of, tracking_file
from tuner.trials.folder import StudyFolder
from tuner.trials.model import StudyStart

SPACE = """\
name: iris
manifest: ../shared/deployment.yaml
parameters: {workers: {int: [1, 4], set: env/WORKERS}}
workload:
  protocol: grpc
  method: test.Echo/Say
  proto: proto/echo.proto
  request: {absolute}
  shape: {shape}
  check: {schema: schema.json}
  auth: {bearer: {file: token}}
objectives: {throughput: maximize}
budget: {trials: 3}
local: {folder: program}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Inputs below the search space's folder, beside it, and named by their whole path."""
    folder = tmp_path / "project"
    for below in ("iris/proto/more", "iris/program", "shared", "absolute"):
        (folder / below).mkdir(parents=True)
    absolute = tmp_path / "project" / "absolute" / "request.json"
    files = {
        "iris/space.yaml": SPACE.replace("{absolute}", str(absolute)).replace("{shape}", "'trace:trace.csv'"),
        "iris/proto/echo.proto": 'syntax = "proto3";\nimport "more/types.proto";\n',
        "iris/proto/more/types.proto": 'syntax = "proto3";\nimport "more/none.proto";\n',
        "iris/schema.json": "{}",
        "iris/trace.csv": "time\n0\n1\n",
        "iris/token": "hush",
        "shared/deployment.yaml": "kind: Deployment\n",
        "absolute/request.json": "{}",
        "table.csv": "workers\n1\n",
        "mlflow.db": "",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def begun(project: Path) -> tuple[StudyFolder, StudyStart, SearchSpace]:
    space = whole(project / "iris" / "space.yaml")
    folder = StudyFolder(project / "studies" / "iris")
    folder.root.mkdir(parents=True)
    keep(folder, space, project / "table.csv", project / "mlflow.db")
    start = study_start(space_file=str(space.file), input_digest=input_digest(space), table=str(project / "table.csv"))
    return folder, start, space


def kept(folder: StudyFolder, start: StudyStart) -> SearchSpace:
    space, problems = read_space(folder, start)
    assert space is not None
    assert problems == ()
    return space


def test_all_that_decides_what_a_study_does_is_kept(project: Path) -> None:
    folder, start, space = begun(project)
    found = kept(folder, start)
    assert input_digest(found) == start.input_digest
    assert all(path.is_relative_to(folder.root) for path in input_files(found))
    assert [path.read_bytes() for path in input_files(found)] == [path.read_bytes() for path in input_files(space)]
    assert (folder.inputs / "proto" / "more" / "types.proto").is_file(), "what a .proto file imports is kept with it"
    assert found.workload.requests[0].path.name == "request.json", "a trace names its payloads by their files"
    assert not list(folder.inputs.rglob("token")), "a secret is not"
    assert found.workload.auth is not None
    assert found.workload.auth.file == project / "iris" / "token"
    assert base_manifest(folder, start).text == "kind: Deployment\n"
    table = table_of(folder, start)
    assert table is not None
    assert table.is_relative_to(folder.inputs)
    assert table.read_text() == "workers\n1\n"


def test_only_their_owner_may_read_them(project: Path) -> None:
    folder, _, _ = begun(project)
    for path in [folder.inputs_index, *folder.inputs.rglob("*")]:
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0


def test_a_study_that_was_moved_alone_is_whole(project: Path, tmp_path: Path) -> None:
    folder, start, _ = begun(project)
    there = StudyFolder(tmp_path / "elsewhere" / "renamed")
    shutil.move(folder.root, there.root)
    found = kept(there, start)
    assert input_digest(found) == start.input_digest
    assert found.folder == project / "iris", "its programs are where they were"
    shutil.rmtree(project)
    mailed = kept(there, start)
    assert input_digest(mailed) == start.input_digest
    assert mailed.local.images[0].folder == (there.inputs / "program").resolve(), (
        "of which the backend says that it is not there"
    )
    (there.inputs / "schema.json").unlink()
    with pytest.raises(StoreFailure, match=r"schema\.json: it is gone, and study iris was begun with it"):
        read_space(there, start)


def test_a_study_that_was_moved_with_its_project_finds_its_programs(project: Path, tmp_path: Path) -> None:
    _, start, _ = begun(project)
    project.rename(tmp_path / "moved")
    there = StudyFolder(tmp_path / "moved" / "studies" / "iris")
    found = kept(there, start)
    assert found.folder.resolve() == tmp_path / "moved" / "iris"
    file = tracking_file(there)
    assert file is not None
    assert file.resolve() == tmp_path / "moved" / "mlflow.db"


def test_originals_that_changed_are_told(project: Path) -> None:
    folder, start, _ = begun(project)
    assert changed(folder, start) == ()
    for name in ("iris/space.yaml", "absolute/request.json", "table.csv"):
        (project / name).write_text((project / name).read_text() + "\n")
    assert set(changed(folder, start)) == {
        project / n for n in ("iris/space.yaml", "absolute/request.json", "table.csv")
    }
    assert input_digest(kept(folder, start)) == start.input_digest, "it goes on with what it keeps"


def test_a_study_of_before_keeps_none(project: Path) -> None:
    folder, start, space = begun(project)
    shutil.rmtree(folder.inputs)
    folder.inputs_index.unlink()
    (folder.root / "space.yaml").write_bytes(space.file.read_bytes())
    assert kept(folder, start).file == space.file
    assert folder.space == folder.root / "space.yaml"
    assert changed(folder, start) == ()
    assert table_of(folder, start) == project / "table.csv"
    (folder.trial(0)).mkdir(parents=True)
    folder.manifest(0).write_text("kind: Pod\n")
    assert base_manifest(folder, start).text == "kind: Pod\n"
    shutil.rmtree(project / "iris")
    found, _ = read_space(folder, start)
    assert found is not None
    assert found.file == folder.root / "space.yaml"


@pytest.mark.parametrize(
    ("said", "kept_too"),
    [('{"simulated": {}}', True), ('{"table": "table.csv"}', True), ('{"table": "../table.csv"}', False)],
)
def test_what_is_replayed(project: Path, said: str, kept_too: bool) -> None:
    space = whole(project / "iris" / "space.yaml")
    folder = StudyFolder(project / "studies" / "iris")
    (project / "said.json").write_text(said)
    keep(folder, space, project / "said.json")
    start = study_start(table=str(project / "said.json"))
    found = table_of(folder, start)
    assert found is not None
    assert found.is_relative_to(folder.root) == kept_too
    if "table.csv" in said and kept_too:
        assert (found.parent / "table.csv").is_file()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"home": "", "name": "", "files": {"a": "../../b"}}', '{"files": {}, "table": "/etc/passwd"}'],
)
def test_a_damaged_index_is_told(project: Path, text: str) -> None:
    folder, start, _ = begun(project)
    folder.inputs_index.write_text(text)
    with pytest.raises(StoreFailure, match=r"inputs\.json: .*restore it from a copy"):
        read_space(folder, start)


def test_an_input_that_went_away_is_told(project: Path) -> None:
    space, _ = read(project / "iris" / "space.yaml")
    assert space is not None
    (project / "absolute" / "request.json").unlink()
    with pytest.raises(InputError, match=r"request\.json: cannot be read"):
        keep(StudyFolder(project / "studies" / "iris"), space, None)
