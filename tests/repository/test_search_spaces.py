"""Every search space that is shipped is read without a problem, and its manifest takes every knob."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository.checkout import ROOT
from tuner.manifests.check.knobs import check
from tuner.manifests.reader import read as read_manifest
from tuner.space.file.read import read as read_space

SPACES = sorted((ROOT / "search_spaces").glob("*/[gs]*.yaml"))


@pytest.mark.parametrize("path", SPACES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_nothing_is_wrong_with_it(path: Path) -> None:
    space, problems = read_space(path)
    assert problems == ()
    assert space is not None
    manifest, problems = read_manifest(space.manifest)
    assert problems == ()
    assert manifest is not None
    assert check(space, manifest) == ()
    assert (path.parent / "README.md").is_file()
