"""Runs what a manifest says as processes of this machine.

Here lives all that turns a pod into local processes: what is started (`launch`, `ports`, `venvs`), where it is locked in
(`sandbox` and one module a mechanism), what became of it (`running`, `probe`, `readback`, `usage`, `output`), and what an
earlier crash left behind (`ledger`). Nothing here knows how the servers are put under load, or why.
"""

from tuner.backends.process.backend import ProcessBackend

__all__ = ["ProcessBackend"]
