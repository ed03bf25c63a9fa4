"""What the tests of every room have: a cluster (tests/cluster/fixture.py) and lanes (tests/lanes.py)."""

from hypothesis import settings

pytest_plugins = ("tests.cluster.fixture", "tests.lanes")

# Without a deadline: on a busy machine a slow example says nothing about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
