"""Fixtures for all tests; what they give and when they skip stands in tests/cluster/fixture.py."""

from tests.cluster.fixture import (
    cluster,
    images,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    undisturbed,
)

__all__ = ["cluster", "images", "pytest_addoption", "pytest_collection_modifyitems", "pytest_configure", "undisturbed"]
