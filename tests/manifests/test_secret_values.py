from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tuner.manifests.secret_values import looks_secret, masked, secret_values

TEXT = """\
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData:
  plain: hunter2
data: {coded: aGVsbG8=}
---
kind: Deployment
spec:
  template:
    spec:
      automountServiceAccountToken: false
      imagePullSecrets: [{name: regcred}]
      containers:
      - name: x
        command: [sh, -c, "export HF_TOKEN='hf_abc'; serve m --api-key sk-123 --max-tokens 55 && API_KEY=sk-9 run"]
        args:
        - --api-key=topsecret
        - --db-password
        - pw"d
        - --max-total-tokens
        - "2048"
        - --store=postgresql://me:p/w@h/db
        env:
        - {name: DB_PASSWORD, value: "a'b\\"c"}
        - name: MAX_TOKENS
          value: "5"
        - name: TOKEN_FILE
          value: /run/token
        - name: CUSTOM
          value: mine
        - name: FROM
          valueFrom: {secretKeyRef: {name: s, key: password}}
        - name: SCRIPT_TOKEN
          value: |
            block secret
            two
        - name: REFERRED_TOKEN
          value: $(OTHER)
        volumeMounts: [{name: token-vol, mountPath: /x}]
"""


def test_literal_secrets_are_found_with_their_lines() -> None:
    found = [(one.name, one.value, one.line) for one in secret_values(TEXT, ["CUSTOM"])]
    assert found == [
        ("plain", "hunter2", 5),
        ("coded", "aGVsbG8=", 6),
        ("HF_TOKEN", "hf_abc", 16),
        ("api-key", "sk-123", 16),
        ("API_KEY", "sk-9", 16),
        ("api-key", "topsecret", 18),
        ("db-password", 'pw"d', 20),
        ("DB_PASSWORD", "a'b\"c", 25),
        ("CUSTOM", "mine", 31),
        ("SCRIPT_TOKEN", "block secret\ntwo\n", 35),
    ]


def test_a_masked_copy_differs_in_the_secrets_alone() -> None:
    shown = masked(TEXT, ["CUSTOM"])
    secrets = [one.value for one in secret_values(TEXT, ["CUSTOM"])]
    assert not [value for value in (*secrets, "p/w") if value in shown]
    was, now = list(yaml.safe_load_all(TEXT)), list(yaml.safe_load_all(shown))
    before, after = (objects[1]["spec"]["template"]["spec"]["containers"][0] for objects in (was, now))
    assert after["command"][2] == "export HF_TOKEN='***'; serve m --api-key *** --max-tokens 55 && API_KEY=*** run"
    assert after["args"] == [
        *("--api-key=***", "--db-password", "***", "--max-total-tokens", "2048", "--store=postgresql://***@h/db")
    ]
    changed = [b["name"] for b, a in zip(before["env"], after["env"], strict=True) if a != b]
    assert changed == ["DB_PASSWORD", "CUSTOM", "SCRIPT_TOKEN"]
    assert now[0]["stringData"] == {"plain": "***"}


def test_a_log_that_repeats_a_secret_is_masked_too() -> None:
    values = [one.value for one in secret_values(TEXT)]
    assert masked("starting with key topsecret\n\x00 not YAML: [", values=values) == (
        "starting with key ***\n\x00 not YAML: ["
    )


@pytest.mark.parametrize(
    "name",
    [
        *("DB_PASSWORD", "apiKey", "hf-token", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "Authorization"),
        *("HUGGING_FACE_HUB_TOKEN", "clientSecret", "PGPASSWORD_PWD", "api-key", "TokenValue", "license_key"),
    ],
)
def test_names_that_look_secret(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("MAX_TOKENS", "max-batch-total-tokens", "TOKENIZERS_PARALLELISM", "TOKEN_FILE", "secretName", "key", "KEYS"),
        *("PATH", "tokenizer", "password_file", "SERVICE_ACCOUNT_TOKEN_PATH", "monkey", "", "KEEPALIVE", "AUTH_TYPE"),
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not looks_secret(name)


@given(st.text())
def test_any_text_is_borne_with(text: str) -> None:
    assert isinstance(masked(text), str)
