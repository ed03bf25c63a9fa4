"""What the tests of every room have: a cluster (tests/cluster/fixture.py) and lanes (tests/lanes.py)."""

pytest_plugins = ("tests.cluster.fixture", "tests.lanes")
