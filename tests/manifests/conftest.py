"""Hypothesis without a deadline: on a busy machine a slow example says nothing about the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
