"""Manifests are read as kubectl reads them, and what is written out reads the same to it, to YAML 1.1 and to 1.2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from tests.manifests import kubectl
from tests.manifests.spaces import DEPLOYMENT, integer, space
from tuner.manifests.documents import load_all
from tuner.manifests.export.annotations import annotate
from tuner.manifests.reader import read
from tuner.manifests.render import render
from tuner.space.model import Configuration
from tuner.yaml import tree
from tuner.yaml.alike import respelled

HEAD = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\nspec:\n"
JSON = '{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"x"},"spec":%s}'
PLAIN = [
    "0555",
    "0o555",
    "0b11",
    "0x1F",
    "1_000",
    "1e3",
    "1e+3",
    "1.5e3",
    "1E3",
    ".5",
    "5.",
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "Y",
    "~",
    "null",
    "True",
    "TRUE",
    "12:30",
    "12:30:45",
    "1:20.5",
    "2001-01-01",
    "2001-01-01T10:00:00Z",
    "08",
    "09",
    "0",
    "00",
    "-0",
    "+1",
    "=",
    "<<",
    "0888",
    "1e999",
    "-0x1f",
    "-0b1",
    "+0x1",
    "1.",
    "1_0.5",
    "_1",
    "1__0",
    "e3",
    "0e3",
    "1e",
    "0x",
    "0o8",
    "-07",
    "+07",
    "1.e3",
    ".e3",
    "0_7",
    "-.5",
    "+.5",
    "0X1f",
    "0B1",
    "1e-7",
    "1.0",
    "2.50",
    "-0o7",
    "1,000",
    "0x_1",
    "1_",
    "20G",
    "500m",
    "100000000000000000000.0",
]
TEXTS = {
    "merge": "  a: &r {x: 1, w: 2}\n  b: {<<: *r}\n  c: {<<: *r, x: 5}\n",
    "merge in a block": "  a: &r {x: 1, w: 2}\n  b:\n    <<: *r # all of it\n    x: 3\n  c:\n    d: 1\n    <<: *r\n",
    "merge of several": "  a: &r {x: 1}\n  a2: &q {x: 2, z: 3}\n  b: {<<: [*r, *q]}\n",
    "merge of a literal": "  b: {<<: {x: 1}, z: 2}\n",
    "merge of a merge": "  a: &r {x: 1}\n  b: &s {<<: *r, w: 2}\n  c: {<<: *s}\n",
    "merge twice": "  a: &r {x: 1}\n  a2: &q {x: 2, z: 3}\n  b:\n    <<: *r\n    <<: *q\n",
    "merge that brings nothing": "  a: &r {x: 1}\n  b:\n    <<: *r\n    x: 2\n  c: {<<: *r, x: 2}\n  d: {<<: {}}\n",
    "a quoted merge": "  a: &r {x: 1}\n  b: {'<<': *r}\n",
    "anchor anew": "  a: &r 1\n  b: *r\n  c: &r 2\n  d: *r\n",
    "tab after a value": "  a: 1\t\n  b: x\t# c\n",
    "tab after a colon": "  a:\t1\n  b:\t\tx\n",
    "tab before a colon": "  a\t: 1\n",
    "tab in braces": "  a: {\tx: 1,\tz:\t2\t}\n",
    "tabs that begin lines in braces": "  a: {\n\tx: 1,\n    \tz: [\n\t\t2\n    \t]\n  }\n",
    "tab in text": "  a: x\ty\n  b: |\n    x\n    \ty\n",
    "tab after a bar": "  a: |\t\n    x\n",
    "tab in a comment": "  a: 1 #\tx\ty\n#\tz\n",
    "keys": "  8080: a\n  0x10: b\n  010: c\n  1.5: d\n  1e3: e\n  12:30: f\n  no: g\n  on: h\n",
    "tags": "  a: !!str 1\n  b: !!int '3'\n  c: !!float 1\n  f: !!bool yes\n  g: ! 1\n",
    "an anchor and a tag": "  a: &x !!str 1\n  b: *x\n  c: &y 0555\n  d: *y\n",
    "documents": "  a: 1\n---\n# nothing\n---\n" + HEAD + "  a: yes\n...\n",
    "a URL in brackets": "  a: [http://x:80, b]\n",
}
"""What stands below HEAD."""
WHOLE = {
    "json": JSON % '{"a": 1e3, "b": 1.0, "c": "\\/\\u00e9\\ud83d\\ude00", "d": [true, null, -0.5]}',
    "json with tabs": '{\n\t"apiVersion":\t"example.com/v1",\n\t"kind": "Thing",\n\t"metadata": {"name": "x"}\n}\n',
    "json, several": JSON % "{}" + "\n" + JSON % '{"a": 1}' + "\n",
    "json, several documents": JSON % "{}" + "\n---\n" + JSON % '{"a": 1}' + "\n---\n" + JSON % "{}",
    "json with a comma too many": JSON % '{"a": 1,}',
    "json below a comment": "# c\n" + JSON % '{"a": 1}',
    "json with tabs below a comment": "# c\n" + JSON % '{\n\t"a": [\n\t\t1\n\t]\n\t}',
    "json and yaml": JSON % "{}" + "\n---\n" + HEAD + "  a: 0555\n",
    "braces of yaml": "{apiVersion: example.com/v1, kind: Thing, metadata: {name: x}, spec: {a: 0555}}",
    "a byte order mark": "\ufeff" + HEAD + "  a: 1\n",
    "CRLF": (HEAD + "  a: yes\n  b: |\n    x\n    y\n").replace("\n", "\r\n"),
    "List": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: example.com/v1\n  kind: Thing\n  metadata: {name: x}\n"
    "- apiVersion: example.com/v1\n  kind: Thing\n  metadata: {name: z}\n  spec: {a: 010}\n",
    "a List of its own": "apiVersion: example.com/v1\nkind: ThingList\nitems:\n- apiVersion: example.com/v1\n"
    "  kind: Thing\n  metadata: {name: x}\n",
}
REFUSED = {
    "a tab that indents": HEAD + "\ta: 1\n",
    "a tab that indents a key": HEAD + "  a: 1\n  \tb: 1\n",
    "a tab alone": HEAD + "  a: 1\n\t\n  b: 2\n",
    "a tab before a comment": HEAD + "  a: 1\n\t# c\n  b: 2\n",
    "a tab after a dash": HEAD + "  a:\n  -\tx\n",
    "a tab that indents closing braces": HEAD + "  a: {\n\tx: 1,\n\tz: 2\n\t}\n",
    "no anchor": HEAD + "  b: *r\n",
    "an anchor with dots": HEAD + "  a: &r.x 1\n  b: *r.x\n",
    "an anchor in itself": HEAD + "  b: &r [*r]\n",
    "a merge of a number": HEAD + "  b: {<<: 1}\n",
    "a merge of nothing": HEAD + "  b: {<<: }\n",
    "a key of nothing": HEAD + "  ~: 1\n",
    "a list as key": HEAD + "  ? [a]\n  : b\n",
    "another version": "%YAML 1.2\n---\n" + HEAD + "  a: yes\n",
    "something beside the dashes": HEAD + "  a: 1\n--- {}\n",
    "more than three dashes": HEAD + "  a: 1\n-----\n",
    "a name that is a number": HEAD.replace("name: x", "name: 5") + "  a: 1\n",
    "a label that is true": HEAD.replace("name: x", "name: x, labels: {a: yes}") + "  a: 1\n",
    "an escaped slash": HEAD + '  a: "\\/"\n',
    "half a character": HEAD + '  a: "\\ud800"\n',
    "a line separator": HEAD + "  a: x\u2028y\n",
    "a control character": HEAD + "  a: x\x07y\n",
    "an int that is none": HEAD + "  a: !!int x\n",
    "infinity": HEAD + "  a: .inf\n",
    "json of a list": "[" + JSON % "{}" + "]",
    "json, a number too large": JSON % '{"a": 1E400}',
    "a List in a List": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: []\n",
}
ALL = (
    {name: HEAD + text for name, text in TEXTS.items()}
    | WHOLE
    | {f"plain {text}": f"{HEAD}  a: {text}\n  b: [{text}]\n".replace("[1,000]", "['1,000']") for text in PLAIN}
)


def objects(text: str) -> list[Any]:
    return list(load_all(text))


@pytest.mark.parametrize("text", ALL.values(), ids=ALL)
def test_it_is_read_as_kubectl_reads_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(text.encode())
    judged = kubectl.read(tmp_path / "m.yaml")
    _, problems = read(tmp_path / "m.yaml")
    assert judged is not None
    assert not problems
    assert objects(text) == judged


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_kubectl_refuses_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(text.encode())
    assert read(tmp_path / "m.yaml")[1]
    assert kubectl.read(tmp_path / "m.yaml") is None


def unwrapped(documents: list[Any]) -> list[Any]:
    return [
        item
        for document in documents
        if document is not None
        for item in (document["items"] if document["kind"].endswith("List") else [document])
    ]


@pytest.mark.parametrize("text", ALL.values(), ids=ALL)
def test_respelled_it_reads_the_same_to_all(text: str) -> None:
    wanted, out = objects(text), respelled(text)
    assert objects(out) == wanted
    assert respelled(out) == out
    if "\t" in out and out.lstrip("\ufeff").startswith("{"):
        return  # JSON keeps its tabs, which PyYAML refuses
    if "}\n{" in out or "}\n---\n{" in out:
        return  # several values of JSON are no YAML
    if "&r 2" in text:
        return  # an anchor anew, which these two refuse
    assert unwrapped(list(yaml.safe_load_all(out))) == wanted
    assert unwrapped(list(YAML(typ="safe", pure=True).load_all(out))) == wanted


def test_what_all_read_alike_stays_to_the_character() -> None:
    text = DEPLOYMENT + "# 0555 yes\n"
    assert respelled(text) == text
    odd = text.replace("labels: {app: iris}", "labels: {app: iris, at: 12:30, day: 2024-01-01}\t# as it was\tthen")
    assert [line for line in respelled(odd).splitlines() if line not in text.splitlines()] == [
        '      labels: {app: iris, at: "12:30", day: "2024-01-01"} # as it was\tthen'
    ]


SERVED = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "iris"},
    "spec": {
        "selector": {"matchLabels": {"app": "iris"}},
        "template": {
            "metadata": {"labels": {"app": "iris"}},
            "spec": {"containers": [{"name": "classifier", "image": "x:1", "ports": [{"containerPort": 80}]}]},
        },
    },
}


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("listed", [False, True])
def test_json_stays_json_and_kubectl_takes_it(indent: int | str | None, listed: bool, tmp_path: Path) -> None:
    whole = {"apiVersion": "v1", "kind": "List", "items": [SERVED]} if listed else SERVED
    (tmp_path / "m.json").write_text(json.dumps(whole, indent=indent))
    manifest, problems = read(tmp_path / "m.json")
    assert manifest is not None
    assert not problems
    tuned = space(integer("replicas", "replicas"), integer("a", "env/A"), integer("b", "args/--b"))
    out = render(tuned, manifest, Configuration(values={"replicas": 3, "a": 2, "b": 1}))
    exported = annotate(out, {"tuner.dev/study": "iris", "tuner.dev/note": 'p99 "9 ms"\x07 è'})
    (tmp_path / "best.yaml").write_text(exported)
    (read_back,) = json.loads(exported)["items"] if listed else [json.loads(exported)]
    assert read_back["spec"]["replicas"] == 3
    assert read_back["metadata"]["annotations"]["tuner.dev/note"] == 'p99 "9 ms"\x07 è'
    assert read_back["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "2"}]
    if indent is not None:
        assert all(len(line) < 120 for line in exported.splitlines())
        assert not [line for line in json.dumps(whole, indent=indent).splitlines() if line.rstrip(",") not in exported]
    assert kubectl.read(tmp_path / "best.yaml") == [read_back]


ALIASED = DEPLOYMENT.replace("resources:\n", "resources: &r\n", 1).replace(
    "      # the end",
    "      - {name: log, image: 'l:1', resources: *r}\n      - {name: met, image: 'l:1', resources: {<<: *r}}\n",
)


def test_only_the_place_that_is_addressed_changes_of_what_an_alias_shares(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(ALIASED)
    manifest, problems = read(tmp_path / "m.yaml")
    assert manifest is not None
    assert not problems
    for container in ("classifier", "log", "met"):
        knob = integer("cpu", "limits/cpu", "requests/cpu", container=container)
        out = render(space(knob), manifest, Configuration(values={"cpu": 7}))
        for text in (out.text, annotate(out, {"a": "b"})):
            spec = objects(text)[0]["spec"]["template"]["spec"]
            cpus = {one["name"]: one["resources"]["limits"]["cpu"] for one in spec["containers"]}
            assert cpus == {"classifier": "1", "log": "1", "met": "1"} | {container: "7"}
            assert list(yaml.safe_load_all(text)) == objects(text)


SCRIPTED = """\
a: |
  # the server
  exec gunicorn --workers 2 \\
    --threads 4 \\
    app:app
b: >-
  vllm serve small
  --max-num-seqs 8
c: "one
  two"
"""


def test_words_of_a_script_change_on_their_lines() -> None:
    (document,) = tree.parse(SCRIPTED)
    from tuner.yaml.splice import splice

    new = tree.data(document.root)
    new["a"] = new["a"].replace("--workers 2", "--workers 16").replace("app:app", "app:app --x=1")
    new["b"] = new["b"].replace("seqs 8", "seqs 64")
    new["c"] = "one three"
    assert tree.data(tree.parse(SCRIPTED)[0].root)["c"] == "one two"
    assert splice(SCRIPTED, [(document, new)]) == (
        SCRIPTED.replace("--workers 2", "--workers 16")
        .replace("app:app", "app:app --x=1")
        .replace("seqs 8", "seqs 64")
        .replace("two", "three")
    )
