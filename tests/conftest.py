"""What the tests of every room have: a cluster (tests/cluster/fixture.py) and lanes (tests/lanes.py)."""

from hypothesis import HealthCheck, settings

pytest_plugins = ("tests.cluster.fixture", "tests.lanes")

# Without a deadline: on a busy machine a slow example, or a slow draw of one, says nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
