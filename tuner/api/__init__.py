"""What programs and notebooks use, re-exported by `import tuner`: what is public is `__all__`, and nothing else.

It stands beside the command line, on the same commands below it, and nothing in the package imports it.
"""

from __future__ import annotations

from tuner.api.records import Record
from tuner.api.runs import resume, run
from tuner.api.space import Space, check
from tuner.api.study import Candidate, Compared, Study, open_study, studies
from tuner.errors import EnvironmentFailure, InputError, Problem, StoreFailure, TunerError

__all__ = [
    "Candidate",
    "Compared",
    "EnvironmentFailure",
    "InputError",
    "Problem",
    "Record",
    "Space",
    "StoreFailure",
    "Study",
    "TunerError",
    "check",
    "open_study",
    "resume",
    "run",
    "studies",
]
