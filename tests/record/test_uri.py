from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.record.uri import absolute, sqlite_file
from tuner.uri import masked


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("http://***@host:5000/a", "http://me:secret@host:5000/a"),
        ("postgresql://***@db/x", "postgresql://me@db/x"),
        ("http://***@host", "http://me:p@ss@host"),
        ("at http://***@a and http://b", "at http://u:p@a and http://b"),
        ("mysql://db/x?password=***&b=1", "mysql://db/x?password=hidden&b=1"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("postgresql://***@db/x", "postgresql://me:a/b?c#d'e\"f@db/x"),
        ("postgresql+psycopg2://***@db/x", "postgresql+psycopg2://me:12/34@db/x"),
        ("https://***@db/x", "https://me:a/b@db/x"),
        ("https://***@db/x", "https://me:12'b@db/x"),
        ("'http://***@host:5000', 'b'", "'http://me:secret@host:5000', 'b'"),
        ("https://x.blob/a?se=1&sig=***&b=2", "https://x.blob/a?se=1&sig=hidden%3D&b=2"),
        ("http://x/?api_key=***", "http://x/?api_key=a'b\"c"),
        ("http://x/?auth=*** and", "http://x/?auth=ab and"),
        ("('http://x/?pass=***',)", "('http://x/?pass=ab',)"),
        ("design=1 fig=2", "design=1 fig=2"),
    ],
)
def test_credentials_are_masked(shown: str, text: str) -> None:
    assert masked(text) == shown


@given(st.from_regex(r"[A-Za-z0-9!$&()*+,;=:%_.~-]{8,20}", fullmatch=True))
def test_no_password_survives(password: str) -> None:
    assert password not in masked(f"failed: https://user:{password}@tracker.example/api?x=1 refused")


@given(st.from_regex(r"[!-~]{8,20}", fullmatch=True))
def test_no_password_of_a_database_survives(password: str) -> None:
    shown = masked(f"failed: postgresql+psycopg2://user:{password}@db.example/x refused")
    assert shown == "failed: postgresql+psycopg2://***@db.example/x refused"


def test_a_relative_sqlite_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
    assert absolute("sqlite:///a/b.db?timeout=5") == f"sqlite:///{tmp_path}/a/b.db?timeout=5"
    assert sqlite_file(absolute("sqlite:///mlflow.db")) == tmp_path / "mlflow.db"


@pytest.mark.parametrize("uri", ["http://host:5000", "sqlite:////data/mlflow.db", "sqlite:///:memory:", "sqlite://"])
def test_other_addresses_stay_as_they_are(uri: str) -> None:
    assert absolute(uri) == uri


def test_only_sqlite_has_a_file() -> None:
    assert sqlite_file("http://host:5000") is None
