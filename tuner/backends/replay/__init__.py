"""Tells what was measured before, or what a simulated server would have measured, in the place of running anything.

`model` has the nouns and the seam to what a replay is told from (`Source`): `table` draws from a recorded table, which
`columns` reads and writes; `simulated` is a server of queueing formulas (`queueing`); `disturbed` lets the machine
under a table wander (`wander`). `source` opens the file that names one, `backend` answers for it as any other backend would.
Nothing here starts a process or sends load.
"""

from tuner.backends.replay.backend import ReplayBackend

__all__ = ["ReplayBackend"]
