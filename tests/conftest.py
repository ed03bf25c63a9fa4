"""Fixtures for all tests; what they give and when they skip stands in tests/cluster/fixture.py."""

from hypothesis import settings

from tests.cluster.fixture import (
    cluster,
    images,
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    undisturbed,
)

__all__ = ["cluster", "images", "pytest_addoption", "pytest_collection_modifyitems", "pytest_configure", "undisturbed"]

# Without a deadline: on a busy machine a slow example says nothing about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
