"""Small manifests with one difficulty each: `init` on the file, and `check` on what it wrote."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tuner.commands.init import Written, init
from tuner.errors import InputError
from tuner.manifests.pods import pods
from tuner.manifests.reader import read as read_manifest
from tuner.manifests.render import render
from tuner.space.file.read import read as read_space
from tuner.space.model import Configuration, SearchSpace
from tuner.yaml.tree import load_all

CASES = Path(__file__).parent / "cases"
GUNICORN = {"args/-w", "args/--threads", "replicas"}
VLLM = {"args/--max-num-seqs", "args/--max-num-batched-tokens", "args/--gpu-memory-utilization", "replicas"}
MICROSERVICE = {"env/GUNICORN_WORKERS", "env/GUNICORN_THREADS", "replicas"}
LIMITS = {"limits/cpu", "limits/memory"}


def written(name: str, folder: Path) -> tuple[Written, SearchSpace]:
    shutil.copy(CASES / name, folder)
    done = init(folder / name, folder / "space.yaml")
    space, problems = read_space(folder / "space.yaml")
    assert problems == ()
    assert space is not None
    return done, space


@pytest.mark.parametrize(
    ("name", "container", "port", "protocol", "model", "knobs"),
    [
        ("prepackaged-server.yaml", "petals", 9000, "seldon", None, MICROSERVICE),
        (
            "prepackaged-with-resources.yaml",
            *("petals", 9000, "v2", "petals"),
            {"args/--http-thread-count", "args/--buffer-manager-thread-count", "replicas"} | LIMITS,
        ),
        ("json.json", "petals", 9000, "seldon", None, MICROSERVICE),
        ("no-container-port.yaml", "rank", 8000, "openai", None, VLLM),
        (
            "rest-port-second.yaml",
            *("rank", 8501, "tensorflow", "rank"),
            {
                *("args/--tensorflow_inter_op_parallelism", "args/--tensorflow_intra_op_parallelism"),
                *("args/--rest_api_num_threads", "replicas"),
            },
        ),
        ("octal-mode.yaml", "rank", 8080, "http", None, GUNICORN),
        ("trailing-tab.yaml", "rank", 8080, "http", None, GUNICORN),
        ("list.yaml", "rank", 8080, "http", None, GUNICORN),
        ("flags-in-shell.yaml", "rank", 8080, "http", None, {"args/--workers", "args/--threads", "replicas"}),
        ("vllm-in-shell.yaml", "rank", 8000, "openai", None, VLLM),
        ("sidecar-first.yaml", "rank", 8080, "http", None, GUNICORN),
        ("store-before-server.yaml", "rank", 8080, "http", None, GUNICORN),
        ("word-vllm-in-an-argument.yaml", "picker", 9002, "http", None, {"replicas"}),
        ("tgi.yaml", "rank", 80, "openai", None, None),
        ("kserve-llm.yaml", "kserve-container", 8080, "openai", None, VLLM | LIMITS),
        ("replicas-zero.yaml", "rank", 8080, "http", None, GUNICORN),
        ("requests-far-below-limits.yaml", "rank", 8080, "http", None, GUNICORN | LIMITS),
        ("leader-worker-set.yaml", "leader", 8000, "openai", None, VLLM),
        ("model-name-from-env.yaml", "rank", 8000, "openai", None, VLLM),
        ("graph.yaml", "petals", 9001, "seldon", None, MICROSERVICE),
        ("merge-key.yaml", "rank", 8080, "http", None, GUNICORN | LIMITS),
        ("command-not-on-this-machine.yaml", "rank", 8080, "http", None, {"env/OMP_NUM_THREADS", "replicas"}),
    ],
)
def test_what_serves_is_found_and_can_be_tuned(
    name: str, container: str, port: int, protocol: str, model: str | None, knobs: set[str] | None, tmp_path: Path
) -> None:
    done, space = written(name, tmp_path)
    assert done.wrong == ()
    base, problems = read_manifest(space.manifest)
    assert (base is not None, problems) == (True, ())
    assert base is not None
    found = pods(space, render(space, base, Configuration(values={})))
    assert (found.serving, found.port, space.workload.protocol) == (container, port, protocol)
    assert space.workload.model == model
    own = {target for one in space.parameters if one.container in (None, container) for target in one.targets}
    if knobs is not None:
        assert own == knobs
    assert own


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("odd-quantities.yaml", r":15: limits\.cpu: 2000Mi of cpu is .* cores; write 2000m"),
        ("helm-template.yaml", r":12: a Helm template .*`helm template NAME CHART"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(name: str, words: str, tmp_path: Path) -> None:
    shutil.copy(CASES / name, tmp_path)
    with pytest.raises(InputError) as refused:
        init(tmp_path / name, tmp_path / "space.yaml")
    assert re.search(words, str(refused.value))
    assert not (tmp_path / "space.yaml").exists()


def test_every_case_is_tried() -> None:
    tried = Path(__file__).read_text()
    assert [path.name for path in CASES.iterdir() if f'"{path.name}"' not in tried] == []


@pytest.mark.parametrize(("name", "other"), [("store-before-server.yaml", "Deployment/cache"), ("graph.yaml", "clean")])
def test_what_was_not_chosen_is_told(name: str, other: str, tmp_path: Path) -> None:
    done, _ = written(name, tmp_path)
    assert other in " ".join(done.said)


def test_flags_in_a_script_are_edited_in_place(tmp_path: Path) -> None:
    _, space = written("flags-in-shell.yaml", tmp_path)
    base, _ = read_manifest(space.manifest)
    assert base is not None
    out = render(space, base, Configuration(values={"workers": 3, "threads": 4}))
    before, after = (load_all(text)[0]["spec"]["template"]["spec"]["containers"][0] for text in (base.text, out.text))
    words = [[*(one.get("command") or ()), *(one.get("args") or ())][-1] for one in (before, after)]
    assert words[1] == words[0].replace("--workers 2", "--workers 3").replace("--workers=2", "--workers=3")
    assert words[0] != words[1]
