"""The pictures of the documentation: see scripts/screenshots."""

from __future__ import annotations

import argparse
import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from urllib.parse import quote

import terminal
from chromium import NoBrowser, Page, browser
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
TUNE = ROOT / ".venv/bin/tune"
STUDY = "iris"
TRIALS = 24
SERVER = {
    "simulated": {"cpu_s": 0.002, "wait_s": 0.012, "memory_base": 150e6, "memory_worker": 30e6},
    "noise": 0.03,
}
"""Waits more than it works, so that threads and workers have something to give."""
WIDE, NARROW = (1440, 900), (1024, 768)
TERMINAL = (80, 24)
"""Columns and lines of the usual one."""
_LOOKED_AT = f" {TRIALS // 2} of {TRIALS} trials"
_COLOURS = 128


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs/images")
    options.add_argument("--work", type=Path, help="folder of the study, kept and taken up again")
    said = options.parse_args()
    said.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tuner-screenshots-") as temporary:
        work = (said.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        measured(work)
        report = work / "studies" / STUDY / "report.html"
        with mlflow(work) as address, browser() as page:
            for name, picture in chain(of_report(page, report), of_mlflow(page, address), of_terminal(page, work)):
                file = said.folder / f"{name}.png"
                file.write_bytes(small(picture))
                print(f"{file}: {file.stat().st_size // 1024} KiB")


def measured(work: Path) -> None:
    """A study in `work`, in MLflow as well."""
    if not (work / "studies" / STUDY / "report.json").exists():
        for left in ("studies", "space", "mlflow.db", "mlartifacts"):
            shutil.rmtree(work / left, ignore_errors=True)
            (work / left).unlink(missing_ok=True) if (work / left).is_file() else None
        shutil.copytree(ROOT / "search_spaces/iris", work / "space")
        space = work / "space/space.yaml"
        space.write_text(space.read_text().replace("rate: 200/s", "rate: 100/s").replace("time: 10m", "time: 2h"))
        (work / "server.json").write_text(json.dumps(SERVER))
        replay = ["--backend", "replay", "--table", "server.json", "--trials", str(TRIALS), "--name", STUDY]
        tune(work, "run", "space", *replay)
    tune(work, "sync", STUDY)


def tune(work: Path, *arguments: str) -> None:
    done = subprocess.run([TUNE, *arguments], cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"tune {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}{done.stdout}")


@contextmanager
def mlflow(work: Path) -> Iterator[str]:
    """The address that `tune ui` prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [TUNE, "ui", STUDY, "--no-open", "--port", str(port)]
    with subprocess.Popen(command, cwd=work, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stderr is not None
            told: list[str] = []
            for line in server.stderr:
                told.append(line)
                if line.startswith("http://"):
                    yield line.split()[0]
                    return
            raise SystemExit(f"tune ui ended with {server.wait()}:\n{''.join(told)}")
        finally:
            server.send_signal(signal.SIGINT)
            if server.stderr is not None:
                server.stderr.read()  # what it says while it ends


def of_report(page: Page, report: Path) -> Iterator[tuple[str, bytes]]:
    """Its head in light, the front with a trial beside it in dark, and the parallel coordinates on a phone."""
    for scheme, size, at, name in (
        ("light", (1440, 1100), "header", "report"),
        ("dark", (1024, 768), "#front", "report-dark"),
        ("light", (390, 844), "#knobs", "report-phone"),
    ):
        page.scheme(scheme)
        seen(page, report.resolve().as_uri(), size, ".plot svg")
        page.run(f"document.querySelector('{at}').scrollIntoView()")
        if at == "#front":
            page.run("document.querySelector('#chart-0 .plot').focus()")
            for key in ("ArrowRight", "ArrowUp", "Enter"):  # the last kind of points is the choice
                page.call("Input.dispatchKeyEvent", type="keyDown", key=key)
            page.run(f"document.querySelector('{at}').scrollIntoView()")
        page.still()
        yield name, page.picture()
    page.scheme("light")


def of_mlflow(page: Page, table: str) -> Iterator[tuple[str, bytes]]:
    """What a user sees first, each with its name."""
    base, _, rest = table.partition("/#/experiments/")
    experiment = rest.partition("/")[0]
    seen(page, table, NARROW, ".ag-row")
    yield "mlflow-table-1024", page.picture()
    page.size(*WIDE)
    page.still()
    yield "mlflow-table", page.picture()
    closed(page)
    seen(page, table.replace("runs?", "runs?compareRunsMode=CHART&"), WIDE, ".ag-row")
    yield "mlflow-charts", page.picture()

    best = ranked(page, experiment)
    runs = quote(json.dumps(best[:8]))
    ids = quote(json.dumps([experiment]))
    seen(page, f"{base}/#/compare-runs?runs={runs}&experiments={ids}&workflowType=machine_learning", WIDE)
    yield "mlflow-compare", page.picture()
    run = f"{base}/#/experiments/{experiment}/runs/{best[0]}"
    seen(page, f"{run}?workflowType=machine_learning", (WIDE[0], 1100))
    yield "mlflow-trial", page.picture()
    seen(page, f"{run}/artifacts/trial.html?workflowType=machine_learning", WIDE)
    yield "mlflow-trial-page", page.picture()


def of_terminal(page: Page, work: Path) -> Iterator[tuple[str, bytes]]:
    """Another study as it runs: the last that is seen of a trial after some."""
    replay = ["--backend", "replay", "--table", "server.json", "--trials", str(TRIALS), "--tracking-uri", "none"]
    shutil.rmtree(work / "live", ignore_errors=True)
    drawn = terminal.frames([TUNE, "run", "space", *replay, "--studies", "live", "--name", STUDY], work, *TERMINAL)
    running = [frame for frame in drawn if all(each in terminal.words(frame) for each in ("running", _LOOKED_AT))]
    html = work / "live.html"
    html.write_text(terminal.page(running[-1]), encoding="utf-8")
    seen(page, html.resolve().as_uri(), WIDE, "pre")
    page.size(*page.run("[document.body.offsetWidth, document.body.offsetHeight]"))
    yield "live", page.picture()


def seen(page: Page, address: str, size: tuple[int, int], has: str = "main, h1, h2") -> None:
    """Until the page has what the selector names, and is still."""
    page.size(*size)
    page.go("about:blank")
    page.go(address)
    page.wait(f"document.querySelector({json.dumps(has)})", 300.0)
    page.still(2.5)


def closed(page: Page) -> None:
    """Without the assistant's pane, where there is one; MLflow remembers that."""
    page.run("[...document.querySelectorAll('button[aria-label=Close]')].at(-1)?.click()")


def ranked(page: Page, experiment: str) -> list[str]:
    """Ids of the trials' runs, best first."""
    asked = {"experiment_ids": [experiment], "filter": "tags.feasible = 'true' and tags.purpose != 'confirm'"}
    asked["order_by"] = ["metrics.`throughput_rps` DESC"]
    script = f"""fetch('/ajax-api/2.0/mlflow/runs/search', {{method: 'POST', headers: {{'Content-Type':
        'application/json'}}, body: {json.dumps(json.dumps(asked))}}}).then(answer => answer.text())"""
    return [run["info"]["run_id"] for run in json.loads(page.run(script))["runs"]]


def small(picture: bytes) -> bytes:
    """The same in few colours."""
    image = (
        Image.open(io.BytesIO(picture))
        .convert("RGB")
        .quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    )  # the usual method drops the colour of a single point; without the means backgrounds are tinted
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    try:
        main()
    except NoBrowser as error:
        sys.exit(f"screenshots: {error}")
