"""What axe-core finds wrong with pages: see scripts/accessibility."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chromium import NoBrowser, Page, browser

AXE = "axe-core@4.10.3"
WIDTHS = (1440, 390)
SCHEMES = ("light", "dark")
_SERIOUS = ("serious", "critical")
_FOUND = """axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations.map(
    one => ({impact: one.impact, rule: one.id, help: one.help, where: one.nodes.map(node => node.target.join(' '))}))))"""


def main(pages: list[Path]) -> int:
    """How many findings are serious."""
    if missing := [page for page in pages if not page.is_file()]:
        raise SystemExit(f"accessibility: {missing[0]} is no file")
    axe, serious = script(), 0
    with browser() as page:
        for file in pages:
            for width in WIDTHS:
                for scheme in SCHEMES:
                    found = list(findings(page, file, axe, width, scheme))
                    serious += sum(impact in _SERIOUS for impact, _ in found)
                    print(f"{file}, {width} px, {scheme}: {len(found) or 'no'} finding{'' if len(found) == 1 else 's'}")
                    print("".join(f"  {impact}: {told}\n" for impact, told in found), end="")
    return serious


def findings(page: Page, file: Path, axe: str, width: int, scheme: str) -> Iterator[tuple[str, str]]:
    """Impact and words of each."""
    page.size(width, 900)
    page.scheme(scheme)
    page.go(file.resolve().as_uri())
    page.wait("document.readyState === 'complete'")
    page.still()
    if (over := page.run("document.documentElement.scrollWidth - innerWidth")) > 0:
        yield "serious", f"it scrolls sideways by {over} px"
    page.run(f"{axe}; 0")
    for one in json.loads(page.run(_FOUND)):
        yield one["impact"], f"{one['rule']}: {one['help']} ({', '.join(one['where'][:3])})"


def script() -> str:
    """The text of axe-core, by npm from whatever registry it is set to."""
    with tempfile.TemporaryDirectory(prefix="tuner-axe-") as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, AXE]
        packed = subprocess.run(command, capture_output=True, text=True, check=False)
        if packed.returncode:
            raise SystemExit(f"accessibility: npm could not fetch {AXE}:\n{packed.stderr}")
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            return member.read().decode()


if __name__ == "__main__":
    try:
        sys.exit(1 if main([Path(one) for one in sys.argv[1:]]) else 0)
    except NoBrowser as error:
        sys.exit(f"accessibility: {error}")
