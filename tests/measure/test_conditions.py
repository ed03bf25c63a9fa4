"""How quiet the machine was, from what could be observed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.measure.conditions import LEAST_SPEED, SLOWER, TAKEN, Conditions, in_words, together


def conditions(**changes: object) -> Conditions:
    """Of a quiet machine of one CPU, set aside for the servers."""
    values: dict[str, object] = {
        "window_s": 2.0,
        "cpus": 1.0,
        "allowed_cores": 1.0,
        "set_aside": True,
        "own_cores": 0.5,
        "others_cores": 0.0,
        "steal_cores": 0.0,
        "probe_s": 0.002,
        "best_probe_s": 0.002,
        "full": True,
    }
    return Conditions(**(values | changes))  # type: ignore[arg-type]


def test_a_quiet_machine_is_as_fast_as_it_can_be() -> None:
    quiet = conditions()
    assert quiet.speed == 1.0
    assert quiet.disturbance == ""


def test_other_programs_leave_less_and_are_told() -> None:
    half = conditions(others_cores=0.45, own_cores=0.55)
    assert half.speed == pytest.approx(0.55)
    assert half.disturbance == "other programs took 45 % of the servers' CPUs"


def test_steal_is_told_as_the_hosts() -> None:
    stolen = conditions(steal_cores=0.3, others_cores=0.0)
    assert stolen.disturbance == "the host of this virtual machine (steal) took 30 % of the servers' CPUs"
    assert stolen.speed == pytest.approx(0.7)


def test_a_slow_core_shows_in_the_probe() -> None:
    slow = conditions(probe_s=0.003)
    assert slow.speed == pytest.approx(2 / 3)
    assert slow.disturbance == "the servers' CPUs worked at 66.7 % of their best speed"


def test_what_is_a_little_slow_counts_and_is_no_disturbance() -> None:
    slower = conditions(probe_s=0.0022)
    assert (slower.speed, slower.disturbance) == (pytest.approx(1 / 1.1), "")
    assert together([slower, conditions(window_s=6.0)]).pace == pytest.approx(0.002 / 0.00205)
    assert conditions(best_probe_s=None).speed == 1.0, "what was left is known all the same"


def test_a_server_that_may_use_little_is_not_slowed_by_others_who_leave_it_that() -> None:
    limited = conditions(allowed_cores=0.25, others_cores=0.4, own_cores=0.2)
    assert limited.speed == 1.0
    assert limited.disturbance, "but who shares its CPU makes it wait"


def test_on_a_machine_that_is_shared_others_disturb_only_where_not_enough_is_left() -> None:
    assert not conditions(cpus=8.0, set_aside=False, others_cores=5.0).disturbance
    assert conditions(cpus=8.0, set_aside=False, others_cores=7.5, own_cores=0.4).disturbance
    assert conditions(cpus=8.0, set_aside=False, others_cores=7.5, own_cores=0.4, full=False).disturbance


def test_servers_that_leave_a_cpu_idle_missed_none_that_others_took() -> None:
    one_worker = conditions(cpus=8.0, allowed_cores=8.0, own_cores=1.0, others_cores=2.0)
    assert one_worker.speed == 1.0
    assert one_worker.disturbance, "nobody else has any business on CPUs that are set aside"
    on_a_node = conditions(cpus=8.0, allowed_cores=8.0, own_cores=1.0, others_cores=2.0, set_aside=False)
    assert on_a_node.speed == 1.0
    assert not on_a_node.disturbance, "such as the load generator's pod, beside servers without a limit"
    wanting = conditions(cpus=8.0, allowed_cores=8.0, own_cores=5.5, others_cores=2.0, set_aside=False)
    assert wanting.speed == pytest.approx(0.75)
    assert wanting.disturbance


def test_what_the_servers_got_they_could_have() -> None:
    assert conditions(others_cores=0.8, own_cores=0.5).share == pytest.approx(0.5)


def test_at_light_load_others_are_not_held_to_have_taken_more_than_half() -> None:
    light = conditions(others_cores=0.8, own_cores=0.2, full=False)
    assert light.share == pytest.approx(0.5), "they take what the servers leave, who could have had half"
    assert conditions(others_cores=0.3, own_cores=0.2, full=False).share == pytest.approx(0.7)
    assert conditions(steal_cores=0.8, own_cores=0.1, full=False).share == pytest.approx(0.2), "a host may take all"
    assert light.disturbance, "disturbed it is all the same"


def test_what_cannot_be_observed_is_not_judged() -> None:
    blind = conditions(own_cores=None, others_cores=None, steal_cores=None, probe_s=None)
    assert blind.speed is None
    assert blind.disturbance == ""
    assert in_words(blind) == "nothing can be observed"


def test_in_words() -> None:
    text = in_words(conditions(others_cores=0.2, steal_cores=0.1, pressure_ratio=0.5))
    assert "others took 30 % of the servers' CPUs" in text
    assert "10 % of it the virtual machine's host" in text
    assert "at best 2 ms" in text
    assert "waited for a CPU 50 % of the time" in text


def test_windows_together_weigh_by_their_length() -> None:
    both = together([conditions(others_cores=0.4, window_s=1.0), conditions(others_cores=0.0, window_s=3.0)])
    assert both.window_s == 4.0
    assert both.others_cores == pytest.approx(0.1)
    unknown = together([conditions(others_cores=None), conditions()])
    assert unknown.others_cores is None
    with pytest.raises(ValueError, match="no windows"):
        together([])


ratio = st.floats(0.0, 1.0)


@given(ratio, ratio, st.floats(1.0, 10.0), st.floats(0.05, 1.0), st.booleans())
def test_speed_lies_between_nothing_and_quiet_and_falls_with_what_others_take(
    others: float, steal: float, slower: float, allowed: float, full: bool
) -> None:
    both = {"steal_cores": steal, "own_cores": 0.0, "allowed_cores": allowed, "probe_s": 0.002 * slower, "full": full}
    less, more = conditions(others_cores=others, **both), conditions(others_cores=others + 0.1, **both)
    assert less.speed is not None
    assert more.speed is not None
    assert LEAST_SPEED <= more.speed <= less.speed <= 1.0
    assert bool(less.disturbance) == (others + steal > TAKEN or 1.0 - (less.pace or 1.0) > SLOWER)
