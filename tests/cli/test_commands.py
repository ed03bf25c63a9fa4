"""The commands as a user meets them: what they print, and their exit status."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.cli.tune import TOY, Tune
from tuner.cli.root import tune as group

MANIFEST = TOY / "deployment.yaml"


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """A copy of the toy search space that a test may spoil."""
    folder = tmp_path / "space"
    shutil.copytree(TOY, folder)
    return folder


def test_every_command_has_help_with_an_example() -> None:
    for name, command in group.commands.items():
        text = click.Context(command, info_name=f"tune {name}").get_help()
        assert f"tune {name}" in text.split("Options:")[0].split("\n", 1)[1], f"tune {name} shows no example"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"tune {name} {parameter.opts[0]} has no help"


def test_the_help_of_all_commands_fits_and_cuts_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = group.get_help(click.Context(group, info_name="tune", **group.context_settings))
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.split("Commands:")[1]
    assert "by looking at what its containers run." in " ".join(text.split())


def test_the_names_of_samplers_are_completed() -> None:
    command = group.commands["run"]
    (sampler,) = [one for one in command.params if one.name == "sampler"]
    found = sampler.shell_complete(click.Context(command), "n")
    assert [one.value for one in found] == ["nsga2"]


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys, tuner.cli.root\n"
        "heavy = {'optuna', 'mlflow', 'kubernetes', 'numpy', 'rich', 'pydantic', 'plotly', 'httpx'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_check_of_a_right_space(tune: Tune) -> None:
    done = tune("check", TOY)
    assert done.status == 0, done.err
    assert "nothing is wrong" in done.out
    assert "84 configurations" in done.out
    found = tune("check", TOY, "--json").json
    assert found["configurations"] == 84
    assert found["baseline"] == {"cpu": "500m", "memory": "64Mi", "replicas": 1, "service": "4", "workers": 1}


def test_check_tells_known_configurations_as_they_will_be_tried(tune: Tune, space: Path) -> None:
    text = (space / "space.yaml").read_text()
    (space / "space.yaml").write_text(f"{text}known: [{{workers: 3}}, {{cpu: 250m, replicas: 2}}]\n")
    done = tune("check", space)
    assert done.status == 0, done.err
    assert "known      cpu=500m memory=64Mi replicas=1 service=4 workers=3\n" in done.out
    assert tune("check", space, "--json").json["known"][1]["replicas"] == 2


def test_a_known_configuration_is_held_against_the_rules_with_the_values_of_the_manifest(
    tune: Tune, space: Path
) -> None:
    text = (space / "space.yaml").read_text().replace("workers * replicas <= 6", "workers * replicas <= 1")
    (space / "space.yaml").write_text(f"{text}known: [{{replicas: 2}}]\n")
    done = tune("check", space)
    assert done.status == 2
    assert "replicas=2, workers=1 breaks the rule workers * replicas <= 1" in done.err
    assert f"space.yaml:{len(text.splitlines()) + 1}: known:" in done.err


def test_mistakes_in_all_files_are_told_at_once(tune: Tune, space: Path) -> None:
    text = (space / "space.yaml").read_text()
    (space / "space.yaml").write_text(text.replace("int: [1, 4]", "int: [4, 1]").replace("rate: 100/s", "rte: 100/s"))
    manifest = (space / "deployment.yaml").read_text()
    (space / "deployment.yaml").write_text(manifest.replace("replicas: 1", "replicaz: 1"))
    (space / "request.json").write_text("{}")
    done = tune("run", space)
    assert done.status == 2
    assert "space.yaml:5:" in done.err
    assert "deployment.yaml:7:" in done.err
    assert "request.json" in done.err
    assert "rate" in done.err
    assert "nothing was started" in done.err
    assert not (tune.folder / "studies").exists()


def test_a_missing_space_is_bad_input(tune: Tune) -> None:
    done = tune("run", "nowhere")
    assert done.status == 2
    assert "nowhere" in done.err


def test_an_unknown_study_names_those_there_are(tune: Tune) -> None:
    done = tune("show", "iris")
    assert done.status == 2
    assert "no study 'iris'" in done.err


def test_an_unknown_option_is_bad_input(tune: Tune) -> None:
    assert tune("run", TOY, "--trails", "3").status == 2


def test_a_wrong_bound_is_bad_input(tune: Tune) -> None:
    done = tune("run", TOY, "--time", "10")
    assert done.status == 2
    assert "unit" in done.err


@pytest.mark.parametrize(("option", "text"), [("--time", "0s"), ("--cost", "0 USD")])
def test_a_budget_of_nothing_is_bad_input(option: str, text: str, tune: Tune) -> None:
    done = tune("run", TOY, option, text)
    assert done.status == 2
    assert f"'{text}' bounds nothing: write a value above 0" in done.err


def test_init_writes_a_space_that_checks(tune: Tune, tmp_path: Path) -> None:
    shutil.copy(MANIFEST, tmp_path / "deployment.yaml")
    done = tune("init", "deployment.yaml")
    assert done.status == 0, done.err
    assert (tmp_path / "request.json").exists()
    assert (tmp_path / "space.yaml").read_text().startswith("# yaml-language-server: $schema=space.schema.json\n")
    assert (tmp_path / "space.schema.json").read_text() == tune("schema").out
    checked = tune("check", "space.yaml")
    assert "local" in checked.err or checked.status == 0, checked.err
    again = tune("init", "deployment.yaml")
    assert again.status == 2
    assert "--force" in again.err
    assert tune("init", "deployment.yaml", "--force").status == 0


PREPACKAGED = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: flowers}
spec:
  predictors:
    - {name: main, graph: {name: petals, implementation: SKLEARN_SERVER, modelUri: "gs://bucket/flowers"}}
"""


def test_init_says_what_this_machine_lacks(tune: Tune, tmp_path: Path) -> None:
    """All that `check` has to say, too: with a program for this machine it passes."""
    (tmp_path / "seldon.yaml").write_text(PREPACKAGED)
    done = tune("init", "seldon.yaml")
    assert done.status == 0, done.err
    assert "nothing says how the server that an operator makes of 'petals' runs on this machine" in done.out
    assert "write under `local:` how to start it here, or use `--backend kubernetes`" in done.out
    space = tmp_path / "space.yaml"
    assert tune("check", "space.yaml").status == 2
    space.write_text(space.read_text() + "local: {command: [python3, server.py]}\n")
    checked = tune("check", "space.yaml")
    assert checked.status == 0, checked.err


def test_init_ends_well_only_where_check_has_nothing_to_say(tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "seldon.yaml").write_text(PREPACKAGED)
    (tmp_path / "request.json").write_text("not JSON")
    done = tune("init", "seldon.yaml")
    assert done.status == 2
    assert (tmp_path / "space.yaml").exists()
    assert "request.json" in done.err


def test_init_of_what_is_named(tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(f"{MANIFEST.read_text()}---\n{PREPACKAGED}")
    done = tune("init", "all.yaml", "--workload", "SeldonDeployment/flowers", "--container", "petals")
    assert done.status == 0, done.err
    assert "SeldonDeployment/flowers was chosen; --workload chooses another: Deployment/" in done.out
    assert "\nobject: SeldonDeployment/flowers\n" in (tmp_path / "space.yaml").read_text()
    wrong = tune("init", "all.yaml", "--workload", "SeldonDeployment/flower", "--force")
    assert wrong.status == 2
    assert "did you mean 'SeldonDeployment/flowers'?" in wrong.err


def test_init_of_a_broken_manifest(tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "deployment.yaml").write_text("kind: Deployment\nspec: [\n")
    done = tune("init", "deployment.yaml")
    assert done.status == 2
    assert "deployment.yaml:" in done.err


def test_doctor_says_what_this_machine_can_do(tune: Tune) -> None:
    done = tune("doctor", "--json")
    findings = {finding["what"]: finding for finding in done.json}
    assert done.status == (3 if any(f["state"] == "missing" for f in findings.values()) else 0)
    assert {"Python", "CPUs", "CPU, memory limits", "loopback ports", "working folder", "cluster"} <= set(findings)
    for finding in findings.values():
        assert finding["state"] == "ok" or finding["advice"], finding
    assert "Python" in tune("doctor").out


def test_clean_with_nothing_left(tune: Tune) -> None:
    done = tune("clean")
    assert (done.status, done.out) == (0, "nothing was left behind\n")
    assert tune("clean", "--json").json == {"removed": []}


def test_ui_without_a_store(tune: Tune) -> None:
    done = tune("ui")
    assert done.status == 2
    assert "run a study first" in done.err


def test_a_study_of_a_name_that_is_taken(tune: Tune) -> None:
    (tune.folder / "studies" / "mine").mkdir(parents=True)
    (tune.folder / "studies" / "mine" / "something").touch()
    done = tune("run", TOY, "--name", "mine")
    assert done.status == 2
    assert "tune resume mine" in done.err


def test_a_study_killed_before_its_first_line_frees_its_name(tune: Tune) -> None:
    folder = tune.folder / "studies" / "mine"
    folder.mkdir(parents=True)
    (folder / "space.yaml").touch()
    (folder / "journal.jsonl").write_text('{"n":0,"kind":"sta')
    (tune.folder / "server.json").write_text('{"simulated": {"memory_base": "8Mi", "memory_worker": "8Mi"}}')
    replay = ("--backend", "replay", "--table", "server.json")
    done = tune("run", TOY, *replay, "--name", "mine", "--trials", "1", "--confirm", "0", "--tracking-uri", "none")
    assert done.status in (0, 1), done.err


def test_nothing_that_can_run_here(tune: Tune, space: Path) -> None:
    """All of the space asks for more than the machine has: no number, the reason, and exit status 3."""
    manifest = (space / "deployment.yaml").read_text()
    manifest = manifest.replace("cpu: 500m", "cpu: '400'")
    (space / "deployment.yaml").write_text(manifest)
    text = (space / "space.yaml").read_text().replace("choices: [250m, 500m]", "choices: ['300', '400']")
    (space / "space.yaml").write_text(text)
    done = tune("run", space, "--tracking-uri", "none", "--json")
    assert done.status == 3, done.err
    assert done.json["choice"] is None
    assert "Insufficient cpu" in json.dumps(done.json)


def test_storage_that_cannot_be_opened(tune: Tune) -> None:
    done = tune("run", TOY, "--storage", "sqlite:////nowhere/at/all.db", "--tracking-uri", "none")
    assert done.status == 3, done.err
    assert "/nowhere/at/all.db" in done.err


def test_completion_knows_the_commands(tune: Tune) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from tuner.cli.root import tune; tune.main(prog_name='tune')"],
        env={**tune.environment, "_TUNE_COMPLETE": "bash_complete", "COMP_WORDS": "tune re", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "plain,resume" in done.stdout
