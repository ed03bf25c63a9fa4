"""The command line of scripts/cluster."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.cluster import machine, ways
from tests.cluster.places import started_by_tests
from tests.cluster.say import exit_status, say


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/cluster",
        description="A real Kubernetes for tests: the one of the current kubeconfig with --current (never touched "
        "otherwise); kind where Docker answers; else one of our own, compiled from published Go modules.",
    )
    parser.add_argument("--current", action="store_true", help="the cluster of the current kubeconfig, as it is")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    up = actions.add_parser("up", help="start it, or what is missing of it")
    up.add_argument("--nodes", type=int, choices=[1, 2], default=1, help="with 2, one is there for the load")
    up.add_argument("--install", action="store_true", help="install missing Debian packages first")
    actions.add_parser("down", help="remove everything of it")
    actions.add_parser("status", help="what runs")
    actions.add_parser("kubeconfig", help="print the path of its kubeconfig")
    load = actions.add_parser("load", help="bring image archives (docker save) onto its nodes")
    load.add_argument("archive", nargs="+", type=Path)
    for action in actions.choices.values():
        action.add_argument("--current", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    return exit_status(lambda: _act(options))


def _act(options: argparse.Namespace) -> None:
    way = ways.choose(current=options.current)
    if options.action == "up":
        say(way.words)
        if options.install and isinstance(way, ways.Own):
            machine.install()
        # whoever started it: from now on it is kept
        started_by_tests().unlink(missing_ok=True)
        way.up(options.nodes)
    elif options.action == "down":
        way.down()
    elif options.action == "status":
        say(way.words)
        print(way.status())
    elif options.action == "kubeconfig":
        print(way.kubeconfig())
    else:
        for archive in options.archive:
            way.load(archive)


if __name__ == "__main__":
    sys.exit(main())
