from __future__ import annotations

from tuner.errors import Problem


def test_a_message_of_thousands_of_letters_is_shortened_in_its_middle() -> None:
    told = str(Problem.at("space.yaml", "a" * 50 + "x" * 5000 + "z", "write " + "y" * 5000, line=3))
    assert told.startswith("space.yaml:3: aaa")
    assert "z; write yyy" in told
    assert len(told) < 2000


def test_others_stay_as_they_are() -> None:
    assert str(Problem.at("space.yaml", "a" * 700, "b" * 700)) == f"space.yaml: {'a' * 700}; {'b' * 700}"
