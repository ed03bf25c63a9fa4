"""Folders for studies. Optuna takes a while to make its tables; they are made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.study.world import space_of, start_of
from tuner.study.store import Store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    Store.open(start_of(space_of(), folder, stored=True)).close()
    return folder / "optuna.db"


@pytest.fixture
def new_folder(tmp_path: Path, empty_store: Path) -> Callable[[], Path]:
    """Makes one folder after the other, each with an empty store."""
    made = iter(range(100))

    def new() -> Path:
        folder = tmp_path / str(next(made))
        folder.mkdir()
        shutil.copy(empty_store, folder)
        return folder

    return new


@pytest.fixture
def folder(new_folder: Callable[[], Path]) -> Path:
    return new_folder()
