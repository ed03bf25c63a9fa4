"""Search spaces in files, with all that stands around the workload a test is about."""

from __future__ import annotations

import shutil
from pathlib import Path

from tuner.space.file.read import read
from tuner.space.model import SearchSpace

TOY = Path(__file__).parent.parent / "servers" / "toy"
SPACE = """\
name: toy
manifest: deployment.yaml
parameters: {{workers: {{int: [1, 2], set: env/TOY_WORKERS}}}}
workload:
{workload}
slo: {{{slo}}}
objectives: {{cost: minimize}}
local: {{command: [python, server.py]}}
"""


def written(folder: Path, *workload: str, slo: str = "", body: str = "{}") -> Path:
    """`workload`: its lines, the first of which stands on line 5. The bodies `a.json` and `b.json` are beside it."""
    shutil.copy(TOY / "deployment.yaml", folder)
    for name in ("a.json", "b.json"):
        (folder / name).write_text(body)
    (folder / "space.yaml").write_text(SPACE.format(workload="\n".join(f"  {line}" for line in workload), slo=slo))
    return folder / "space.yaml"


def whole(file: Path) -> SearchSpace:
    """The search space of a file (or folder) without a mistake in it."""
    space, problems = read(file)
    assert problems == ()
    assert space is not None
    return space
