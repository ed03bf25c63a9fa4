"""`tune --version`: of the tuner, and of what changes what it measures and writes."""

from __future__ import annotations

import click

import tuner

_MATTER = (
    "numpy",
    "scipy",
    "optuna",
    "kubernetes",
    "httpx",
    "uvloop",
    "mlflow",
    "mlflow-skinny",
    "seldon-core",
    "psycopg",
)
"""Distributions, by their names."""
_LACKING = {
    "mlflow": "not installed: no `tune ui` (the extra `ui`)",
    "seldon-core": "not installed: the example search_spaces/iris runs in containers only",
    "psycopg": "not installed: no stores in PostgreSQL (the extra `postgres`)",
}


def versions(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    """Print them and end, where `asked`."""
    if not asked or ctx.resilient_parsing:
        return
    click.echo(f"tune, version {tuner.__version__}")
    for name, version in _installed():
        click.echo(f"  {name:<14} {version}")
    ctx.exit()


def _installed() -> list[tuple[str, str]]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = [("python", f"{platform.python_version()} ({platform.system()} {platform.machine()})")]
    for name in _MATTER:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, _LACKING.get(name, "not installed")))
    return found
