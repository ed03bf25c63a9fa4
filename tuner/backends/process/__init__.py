"""Runs what a manifest says as processes of this machine.

A pod becomes local processes: `container` is one of its containers as it is started and watched, `sandbox` what that is
locked in. `workplace` holds all of a deployment, `running` answers for it, `ledger` finds what an earlier crash left
behind; `machine`, `enforcement` and `checks` say what this machine can do. Nothing here knows how the servers are put
under load, or why.
"""

from tuner.backends.process.backend import ProcessBackend

__all__ = ["ProcessBackend"]
