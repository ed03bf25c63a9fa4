"""A server whose command stands in a shell's script: its plain flags change in place, its variables are knobs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.manifests.spaces import integer, parameter, space
from tuner.errors import InputError
from tuner.manifests import knobs
from tuner.manifests.address import Address, Env, Flag
from tuner.manifests.baseline import baseline
from tuner.manifests.check.knobs import check
from tuner.manifests.documents import load_all
from tuner.manifests.kinds.model import Place
from tuner.manifests.model import Manifest
from tuner.manifests.render import render
from tuner.manifests.shell import flag_of, quoted, script_of, with_flag
from tuner.manifests.survey import propose
from tuner.manifests.workload import workloads
from tuner.space.model import Choices, Configuration


def manifest(script: str, *, shell: tuple[str, ...] = ("sh", "-c"), env: dict[str, str] | None = None) -> Manifest:
    container = {
        "name": "rank",
        "image": "example/rank:1",
        "command": [*shell, script],
        "env": [{"name": name, "value": value} for name, value in (env or {}).items()],
        "ports": [{"containerPort": 8080}],
    }
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template},
    }
    return Manifest(file=Path("deployment.yaml"), text=yaml.safe_dump(deployment))


def changed(script: str, target: str = "args/--workers", value: int = 8, **others: object) -> str:
    base = manifest(script, **others)  # type: ignore[arg-type]
    out = render(space(integer("w", target)), base, Configuration(values={"w": value}))
    (container,) = load_all(out.text)[0]["spec"]["template"]["spec"]["containers"]
    assert next(iter(yaml.safe_load_all(out.text))) == out.objects[0]
    return str(container["command"][-1])


def problem(script: str, target: str = "args/--workers") -> str:
    (found,) = check(space(integer("w", target, container="rank")), manifest(script))
    return f"{found.message}; {found.fix}"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exec gunicorn --workers 2 app:app", "exec gunicorn --workers 8 app:app"),
        ("gunicorn --workers=2 app:app", "gunicorn --workers=8 app:app"),
        ("gunicorn --workers '2' app:app", "gunicorn --workers 8 app:app"),
        ('gunicorn "--workers=2" app:app', "gunicorn --workers=8 app:app"),
        ("gunicorn --workers 2 --workers 4 app:app", "gunicorn --workers 2 --workers 8 app:app"),
        ("gunicorn \\\n  --workers \\\n  2 \\\n  app:app\n", "gunicorn \\\n  --workers \\\n  8 \\\n  app:app\n"),
        ("cd /app && exec gunicorn --workers 2 app:app", "cd /app && exec gunicorn --workers 8 app:app"),
        ("prepare --workers 2; gunicorn --workers 2 a", "prepare --workers 2; gunicorn --workers 8 a"),
        ("load --workers 2\nexec serve.sh --workers 2", "load --workers 2\nexec serve.sh --workers 8"),
        ("gunicorn --workers 2 a | tee --workers 3 log", "gunicorn --workers 8 a | tee --workers 3 log"),
        ("gunicorn --workers 2 a >>log 2>&1 & wait", "gunicorn --workers 8 a >>log 2>&1 & wait"),
        ("A=1 B='x y' gunicorn --workers 2 a # --workers 3", "A=1 B='x y' gunicorn --workers 8 a # --workers 3"),
        ("if [ -f x ]; then pip install y; fi; gunicorn --workers 2 a", None),
        ("gunicorn app:app", "gunicorn app:app --workers=8"),
        ("exec gunicorn app:app > log", "exec gunicorn app:app --workers=8 > log"),
        ("python -m uvicorn app:app --workers 2 && echo done", "python -m uvicorn app:app --workers 8 && echo done"),
        ('echo "--workers 2"\npython server.py --workers 2\n', 'echo "--workers 2"\npython server.py --workers 8\n'),
    ],
)
def test_a_flag_is_set_in_the_servers_command_alone(script: str, expected: str | None) -> None:
    assert changed(script) == (expected or script.replace("--workers 2", "--workers 8"))
    assert baseline(space(integer("w", "args/--workers")), manifest(script)).values.get("w") in (2, 4, None)


def test_either_spelling_of_a_flag_is_kept() -> None:
    script = "vllm serve example/small --max_num_batched_tokens 1024"
    assert changed(script, "args/--max-num-batched-tokens", 2048) == script.replace("1024", "2048")


def test_a_value_within_the_word_of_a_flag_of_one_letter() -> None:
    assert changed("gunicorn -w2 -b:8080 app:app", "args/-w") == "gunicorn -w8 -b:8080 app:app"
    base = manifest("app:app", shell=("gunicorn", "-w2"))
    knob = space(integer("w", "args/-w"))
    assert baseline(knob, base).values == {"w": 2}
    assert "- -w8\n" in render(knob, base, Configuration(values={"w": 8})).text.replace('"', "")
    assert "set: args/-w}" in propose(base).space


@pytest.mark.parametrize(
    "shell", [("bash", "-lc"), ("/bin/sh", "-ec"), ("/usr/bin/env", "bash", "-c"), ("sh", "-e", "-c")]
)
def test_shells(shell: tuple[str, ...]) -> None:
    assert changed("gunicorn --workers 2 a", shell=shell) == "gunicorn --workers 8 a"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "gunicorn --workers $WORKERS a",
            "args/--workers: --workers is $WORKERS in the container's script; set env/WORKERS instead",
        ),
        ('gunicorn --workers="${WORKERS:-2}" a', "set env/WORKERS instead"),
        ("gunicorn --workers ${WORKERS:=2} a", "set env/WORKERS instead"),
        ("WORKERS=2\ngunicorn --workers $WORKERS a", "--workers is $WORKERS, which the script sets itself"),
        ("gunicorn --workers $((2 * N)) a", "the container's script works --workers out"),
        ("gunicorn --workers $(nproc) a", "the container's script works --workers out"),
        (
            "gunicorn --workers 2 a & gunicorn --workers 2 b; wait",
            "which command of the container's script is the server's",
        ),
        ("if x; then vllm serve a; else vllm serve b; fi", "which command of the container's script is the server's"),
    ],
)
def test_what_cannot_be_changed_is_said(script: str, message: str) -> None:
    assert message in problem(script)


@pytest.mark.parametrize(
    "script",
    [
        "export THREADS=4; gunicorn a",
        "export A=1 THREADS=4\ngunicorn a",
        "THREADS=4 gunicorn a",
        "THREADS=4\ngunicorn a",
    ],
)
def test_a_variable_that_the_script_sets_is_no_knob(script: str) -> None:
    assert "the container's script sets THREADS itself" in problem(script, "env/THREADS")
    with pytest.raises(InputError, match="sets THREADS itself"):
        changed(script, "env/THREADS")


def test_a_default_of_the_script_is_todays_value() -> None:
    script = "export WORKERS=${WORKERS:-3}; gunicorn --workers ${WORKERS:-3} app:app"
    knob = space(integer("w", "env/WORKERS"))
    assert baseline(knob, manifest(script)).values == {"w": 3}
    out = render(knob, manifest(script), Configuration(values={"w": 5}))
    (container,) = load_all(out.text)[0]["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "WORKERS", "value": "5"}]


def test_the_variable_of_a_flag_is_proposed() -> None:
    script = "exec gunicorn --workers ${WORKERS:-3} --threads 2 app:app"
    proposed = propose(manifest(script)).space
    assert "set: env/WORKERS" in proposed
    assert "set: args/--threads" in proposed
    assert "env/WORKERS" not in propose(manifest("WORKERS=2; exec gunicorn --workers $WORKERS app:app")).space


@pytest.mark.parametrize("shell", [True, False])
def test_a_variable_that_kubernetes_puts_into_a_flag_is_the_knob(shell: bool) -> None:
    env = {"COUNT": "2", "THREADS": "$(COUNT)"}
    base = manifest("exec gunicorn --workers $(COUNT) --threads=$(OTHER) app:app", env=env)
    if not shell:
        base = manifest("app:app", shell=("gunicorn", "--workers", "$(COUNT)", "--threads=$(OTHER)"), env=env)
    proposed = propose(base).space
    assert "workers: {int: [1, 4], set: env/COUNT}" in proposed
    assert "; now 2" in proposed
    knob = space(integer("w", "env/COUNT"))
    assert baseline(knob, base).values == {"w": 2}
    out = render(knob, base, Configuration(values={"w": 4}))
    assert "--workers $(COUNT)" in out.text.replace("--workers\n        - $(COUNT)", "--workers $(COUNT)")
    assert "env/OTHER" not in proposed


def test_a_variable_from_elsewhere_is_no_knob() -> None:
    base = manifest("exec gunicorn --workers $COUNT --threads 2 app:app", env={"COUNT": "2"})
    given = "        - name: COUNT\n          value: '2'\n"
    assert given in base.text
    source = given.replace("value: '2'", "valueFrom: {configMapKeyRef: {name: c, key: workers}}")
    proposed = propose(Manifest(file=base.file, text=base.text.replace(given, source))).space
    assert "set: env/COUNT" not in proposed
    assert "# not here: --workers is $COUNT, which takes its value from configMapKeyRef" in proposed


def test_what_kubernetes_puts_into_a_flag_is_todays_value() -> None:
    base = manifest("app:app", shell=("gunicorn", "--workers=$(COUNT)"), env={"COUNT": "2"})
    knob = space(integer("w", "args/--workers"))
    assert baseline(knob, base).values == {"w": 2}
    assert render(knob, base, Configuration(values={"w": 2})).text == base.text
    assert "--workers=3" in render(knob, base, Configuration(values={"w": 3})).text


@pytest.mark.parametrize(
    ("script", "address", "why"),
    [
        ("gunicorn --workers 2 a", Flag("--workers"), None),
        ("gunicorn --workers $W a", Flag("--workers"), None),
        ("gunicorn --workers $(nproc) a", Flag("--workers"), "the container's script works --workers out"),
        ("W=2; gunicorn --workers $W a", Flag("--workers"), "--workers is $W, which the script sets itself"),
        ("export W=2; gunicorn a", Env("W"), "the container's script sets W itself"),
    ],
)
def test_why_no_value_reaches_the_server(script: str, address: Address, why: str | None) -> None:
    (workload,) = workloads(load_all(manifest(script).text))
    assert knobs.hindrance(workload.obj, workload.places()[0], address) == why


def test_several_knobs_in_one_script_of_several_lines() -> None:
    script = "set -e\n# two of them\nexec gunicorn \\\n  --workers 2 \\\n  --threads 4 \\\n  app:app\n"
    block = "".join(f"          {line}\n" for line in script.splitlines())
    text = manifest("SCRIPT").text.replace("- SCRIPT\n", f"- |\n{block}").replace("        - sh", "        - sh")
    tuned = (integer("w", "args/--workers"), integer("t", "args/--threads"), integer("k", "args/--keep-alive"))
    base = Manifest(file=Path("deployment.yaml"), text=text)
    assert load_all(text)[0]["spec"]["template"]["spec"]["containers"][0]["command"][-1] == script
    out = render(space(*tuned), base, Configuration(values={"w": 16, "t": 1, "k": 5}))
    assert out.text == text.replace("--workers 2", "--workers 16").replace("--threads 4", "--threads 1").replace(
        "app:app", "app:app --keep-alive=5"
    )


@given(st.text(alphabet="ab '\"$\\\n&;|()#=-{}`*", max_size=40), st.text(alphabet="a1 '\"$\\", max_size=6))
def test_any_script_is_read_and_keeps_all_else(script: str, value: str) -> None:
    obj = {"c": {"command": ["sh", "-c", script]}}
    found = script_of(obj, Place(name="c", path=("c",)))
    assert found is not None
    for command in found.commands:
        for word in command.words:
            assert 0 <= word.start < word.end <= len(script)
    server = found.server()
    if server is not None:
        flag_of(server, "-a")
        out = with_flag(found, server, "--new", value)
        assert quoted(f"--new={value}") in out
        assert len(out) >= len(script)


@given(st.text(alphabet="ab c'\"$\\\n&;|()#=-{}`*~!", max_size=12))
def test_a_quoted_word_is_that_word_to_a_shell(text: str) -> None:
    told = subprocess.run(["sh", "-c", f"printf %s {quoted(text)}"], capture_output=True, text=True, check=True)
    assert told.stdout == text


def test_a_value_that_a_shell_would_take_apart_is_quoted() -> None:
    knob = parameter("m", Choices(values=("a b", "c;d")), "args/--mode")
    out = render(space(knob), manifest("gunicorn --mode x a"), Configuration(values={"m": "c;d"}))
    assert "gunicorn --mode 'c;d' a" in load_all(out.text)[0]["spec"]["template"]["spec"]["containers"][0]["command"]


@pytest.mark.parametrize("section", ["command", "args"])
def test_words_that_are_no_list_are_no_script(section: str) -> None:
    obj = {"spec": {"containers": [{"command": ["sh", "-c", "serve --workers 2"], "args": [], section: "sh -c serve"}]}}
    found = script_of(obj, Place(name="x", path=("spec", "containers", 0)))
    assert found is None or found.path[-1] != section
