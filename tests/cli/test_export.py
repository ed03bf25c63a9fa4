"""`tune export` in its other forms, of a study that was replayed: what was taken away, built back."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.study import journal
from tests.cli.tune import Tune
from tests.manifests.export.patched import by_operations, by_strategy
from tests.manifests.kubectl import kustomize
from tests.repository.checkout import ROOT
from tuner.manifests.documents import load_all
from tuner.manifests.export.alike import differences

IRIS = ROOT / "search_spaces" / "iris"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Tune:
    """A study of a simulated server, in a folder of its own; tests only read it."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(IRIS, folder / "iris")
    manifest = folder / "iris" / "deployment.yaml"
    manifest.write_text(
        manifest.read_text().replace("env:", "env:\n            - {name: API_TOKEN, value: hush-hush}", 1)
    )
    (folder / "server.json").write_text('{"simulated": {"memory_worker": "60Mi"}, "noise": 0.05}')
    tune = Tune(folder)
    done = tune(
        *("run", "iris", "--backend", "replay", "--table", "server.json", "--tracking-uri", "none"),
        *("--trials", "6", "--confirm", "0"),
    )
    assert done.status == 0, done.err
    return tune


def last(tune: Tune) -> int:
    """The number of a trial that is not the baseline again."""
    found = journal(tune.folder, "iris").trials
    return next(one.number for one in reversed(found) if one.manifest_digest != found[0].manifest_digest)


def measured(tune: Tune) -> tuple[Any, ...]:
    return load_all((tune.folder / "studies" / "iris" / "trials" / f"{last(tune):04d}" / "manifest.yaml").read_text())


def base(tune: Tune) -> tuple[Any, ...]:
    return load_all((tune.folder / "iris" / "deployment.yaml").read_text())


def export(tune: Tune, *options: str | Path) -> str:
    done = tune("export", "iris", "--trial", str(last(tune)), *options)
    assert done.status == 0, done.err
    return done.out


def test_a_patch_makes_what_was_measured(study: Tune) -> None:
    text = export(study, "--format", "patch")
    (patch,) = load_all(text)
    first, *others = base(study)
    assert differences([by_strategy(first, patch), *others], measured(study)) == ()
    assert f"# trial: {last(study)}\n" in text
    assert "# kubectl patch deployment iris --type strategic --patch-file FILE\n" in text
    assert "hush" not in text, "what does not differ is not in it"


def test_a_json_patch_makes_what_was_measured(study: Tune) -> None:
    first, *others = base(study)
    assert (by_operations(first, json.loads(export(study, "--format", "json-patch"))), *others) == measured(study)


def test_kustomize_builds_what_was_measured(study: Tune, tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    for _ in range(2):  # the second time over its own
        export(study, "--format", "kustomize", "-o", folder)
    (tmp_path / "built.yaml").write_text(kustomize(folder))
    assert differences(load_all((tmp_path / "built.yaml").read_text()), measured(study)) == ()
    assert export(study, "--verify", tmp_path / "built.yaml") == f"{tmp_path / 'built.yaml'} is what was measured\n"
    told = study("export", "iris", "--trial", "0", "--verify", tmp_path / "built.yaml", "--json")
    assert told.status == 1
    assert told.json["differences"]


def test_a_kustomization_of_the_users_is_not_written_over(study: Tune, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [mine.yaml]\n")
    done = study("export", "iris", "--trial", str(last(study)), "--format", "kustomize", "-o", tmp_path)
    assert done.status == 2
    assert "kustomization.yaml is there, and not written by tune export" in done.err
    assert (tmp_path / "kustomization.yaml").read_text() == "resources: [mine.yaml]\n"


def test_values_of_a_chart(study: Tune, tmp_path: Path) -> None:
    container = base(study)[0]["spec"]["template"]["spec"]["containers"][0]
    values = {"env": container["env"], "args": container.get("args", []), "resources": container["resources"]}
    (tmp_path / "values.yaml").write_text(json.dumps({**values, "replicaCount": base(study)[0]["spec"]["replicas"]}))
    text = export(study, "--format", "helm-values", "--values", tmp_path / "values.yaml")
    (found,) = load_all(text)
    tuned = measured(study)[0]["spec"]["template"]["spec"]["containers"][0]
    assert found["env"] == tuned["env"]
    assert "# env/GUNICORN_WORKERS is env\n" in text
    refused = study("export", "iris", "--trial", str(last(study)), "--format", "helm-values")
    assert refused.status == 2
    assert "env/GUNICORN_WORKERS cannot be expressed: every chart calls it otherwise" in refused.err


def test_a_diff_is_applied_by_git_and_shows_no_secret(study: Tune, tmp_path: Path) -> None:
    text = export(study, "--diff")
    assert "hush" not in text
    shutil.copy(study.folder / "iris" / "deployment.yaml", tmp_path)
    manifest = tmp_path / "deployment.yaml"
    manifest.write_text(manifest.read_text().replace("hush-hush", '"***"'))
    done = subprocess.run(["git", "apply"], cwd=tmp_path, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    secret = ("hush-hush", "***")
    wanted = [json.loads(json.dumps(obj).replace(*secret)) for obj in measured(study)]
    assert list(load_all(manifest.read_text())) == wanted


def test_show_has_the_same_diff(study: Tune) -> None:
    chosen = study("show", "iris", "--json").json["choice"]["candidate"]["trial"]
    shown = study("show", "iris", "--diff", "--json").json
    assert shown == {"trial": chosen, "diff": study("export", "iris", "--diff").out}
    done = study("show", "iris", "--diff")
    assert done.status == 0
    assert done.out == shown["diff"]
    assert bool(done.out) or "nothing is changed" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trial", "0", "--format", "patch"), "trial 0 is the manifest as it stood: nothing was changed"),
        (("--format", "kustomize"), "say where with -o FOLDER"),
        (("--format", "patch", "--diff"), "--diff: it is another thing than --format; ask for one of them"),
        (("--values", "values.yaml"), "write --format helm-values"),
        (("--format", "helm-values", "--values-path", "replicas"), "'replicas' has no ADDRESS=KEY"),
        (("--format", "helm-values", "--values-path", "replicas=a..b"), "'a..b' is no key of a chart's values"),
        (("--format", "helm-values", "--values", "none.yaml"), "none.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_written_is_told(study: Tune, options: tuple[str, ...], message: str) -> None:
    done = study("export", "iris", *(() if "--trial" in options else ("--trial", str(last(study)))), *options)
    assert done.status == 2
    assert message in done.err


def test_as_json(study: Tune, tmp_path: Path) -> None:
    found = json.loads(export(study, "--format", "kustomize", "--json"))
    assert set(found["files"]) == {"kustomization.yaml", "base.yaml", "deployment-iris.yaml"}
    assert found["format"] == "kustomize"
    assert json.loads(export(study, "--diff", "--json"))["diff"] == export(study, "--diff")


def test_a_bundle_holds_no_secret_and_is_read_all_the_same(study: Tune, tmp_path: Path) -> None:
    done = study("export", "iris", "--bundle", tmp_path / "iris.zip")
    assert done.status == 0
    assert "masked in it: API_TOKEN; so a copy can be read and exported, not resumed or applied" in done.err
    with zipfile.ZipFile(tmp_path / "iris.zip") as archive:
        assert not [name for name in archive.namelist() if b"hush" in archive.read(name)]
        archive.extractall(tmp_path)
    there = Tune(tmp_path)
    number = str(last(study))
    found = there("export", "./iris", "--trial", number)
    assert "API_TOKEN is *** in this copy of the study: put it back before you apply it" in found.err
    hidden = json.loads(json.dumps(load_all(export(study))).replace("hush-hush", "***"))
    for obj in hidden:
        if obj["kind"] == "Deployment":
            obj["metadata"]["annotations"]["tuner.dev/masked"] = "literal secrets are *** in this copy of the study"
    assert list(load_all(found.out)) == hidden


def test_a_copy_without_its_secrets_is_neither_resumed_nor_applied(study: Tune, tmp_path: Path) -> None:
    study("export", "iris", "--bundle", tmp_path / "iris.zip")
    with zipfile.ZipFile(tmp_path / "iris.zip") as archive:
        archive.extractall(tmp_path)
    there, number = Tune(tmp_path), str(last(study))
    for command in (("resume", "./iris"), ("apply", "./iris", "--trial", number, "--yes")):
        refused = there(*command)
        assert refused.status == 2
        assert "was made for others, and API_TOKEN masked in it" in refused.err
    manifest = tmp_path / "iris" / "trials" / f"{int(number):04d}" / "manifest.yaml"
    manifest.write_text(manifest.read_text() + "\n")
    assert "was changed after it was measured" in there("export", "./iris", "--trial", number).err
