"""The console as a recorder: a live table in a terminal, plain lines elsewhere.

User data goes into `rich` as Text, never as markup. Colour and cursor tricks are rich's to leave out (NO_COLOR, no
terminal); no meaning is in colour alone.
"""

from __future__ import annotations

import atexit
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.record.progress import Progress, closing, headline
from tuner.record.tables import Row, rows_of
from tuner.record.wording import constraint_text, outcome_text, settings_text
from tuner.search.model import Outlook
from tuner.space.model import Configuration, SearchSpace
from tuner.study.model import Proposal, StudyStart, Summary
from tuner.study.stop import Spent
from tuner.trials.model import Trial

_LINES_BESIDE_THE_ROWS = 14
"""The headline, the table's own, why the last trial failed, what runs, how far it is, and what was found."""


class PlainConsole:
    """One line an event, for logs and pipes. `trial_s`: what a trial is expected to take; None: nobody can tell."""

    def __init__(self, space: SearchSpace, console: Console, *, trial_s: float | None = None) -> None:
        self._progress = Progress(space, time.monotonic, trial_s)
        self._console = console
        self._baseline: Configuration | None = None

    def started(self, start: StudyStart) -> None:
        self._progress.started(start)
        self._say(headline(start))
        bounds = ", ".join(constraint_text(constraint) for constraint in start.slo)
        self._say(f"SLO: {bounds or 'none'}")

    def proposed(self, proposal: Proposal) -> None:
        self._progress.proposed(proposal)
        settings = settings_text(proposal.configuration, self._baseline)
        if proposal.purpose == "baseline":
            self._baseline = proposal.configuration
        self._say(f"trial {proposal.number} ({proposal.purpose}): {settings}")

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._progress.foreseen(so_far, outlook)

    def stage(self, number: int, stage: str) -> None:
        self._say(f"trial {number}: {stage}")

    def finished(self, trial: Trial) -> None:
        self._progress.finished(trial)
        self._say(f"trial {trial.number}: {self._progress.result(trial)}")
        self._say(self._progress.line())

    def closed(self, summary: Summary) -> None:
        self._say(closing(summary))

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class LiveConsole:
    """A table that grows, the trials that run, and how far the study is. Leaves the terminal whole, whatever happens.

    Drawn once a second and at every event; `now` is the clock for the time left, `trial_s` what a trial is expected to
    take until some were run; None: nobody can tell.
    """

    def __init__(
        self,
        space: SearchSpace,
        console: Console,
        *,
        now: Callable[[], float] = time.monotonic,
        trial_s: float | None = None,
    ) -> None:
        self._progress = Progress(space, now, trial_s)
        self._console = console
        self._headline = ""
        self._stages: dict[int, str] = {}
        """What each of the trials that run is at."""
        self._open = True
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=1, vertical_overflow="crop")

    def started(self, start: StudyStart) -> None:
        self._progress.started(start)
        self._headline = headline(start)
        atexit.register(self.stop)
        self._live.start()

    def proposed(self, proposal: Proposal) -> None:
        self._progress.proposed(proposal)
        self._stages[proposal.number] = proposal.purpose
        self._live.refresh()

    def foreseen(self, so_far: Spent, outlook: Outlook | None) -> None:
        self._progress.foreseen(so_far, outlook)
        self._live.refresh()

    def stage(self, number: int, stage: str) -> None:
        self._stages[number] = stage
        self._live.refresh()

    def finished(self, trial: Trial) -> None:
        self._progress.finished(trial)
        self._stages.pop(trial.number, None)
        self._live.refresh()

    def closed(self, summary: Summary) -> None:
        self._open = False
        self._live.refresh()
        self.stop()
        self._console.print(Text(closing(summary)))

    def stop(self) -> None:
        """Give the terminal back; called again it does nothing."""
        self._live.stop()
        atexit.unregister(self.stop)

    def _render(self) -> RenderableType:
        progress = self._progress
        parts: list[RenderableType] = [self._one_line(self._headline, style="bold"), self._table()]
        if self._open:
            if progress.trials and not progress.trials[-1].feasible:
                last = progress.trials[-1]
                parts.append(self._one_line(f"trial {last.number} {outcome_text(last)}"))
            parts += [self._one_line(f"trial {number}: {stage}") for number, stage in self._stages.items()]
            bar = Table.grid(padding=(0, 1), expand=True)
            bar.add_column(ratio=1)
            bar.add_column(no_wrap=True)
            bar.add_row(ProgressBar(total=1.0, completed=progress.share()), Text(progress.how_far()))
            parts += [bar, *map(Text, progress.found())]
        return Group(*parts)

    def _one_line(self, text: str, style: str = "") -> Text:
        """As many whole words as the window is wide."""
        return Text(textwrap.shorten(text, self._console.width, placeholder=" …"), style=style, no_wrap=True)

    def _table(self) -> RenderableType:
        """As many trials as the window holds: the newest, and before them those on the front; and those that run."""
        trials, front = self._progress.trials, self._progress.front()
        beside = _LINES_BESIDE_THE_ROWS + 2 * max(0, len(self._progress.running) - 1)
        room = max(4, self._console.size.height - beside) if self._open else len(trials)
        kept = {trial.number for trial in trials[-max(2, room // 2) :]}
        for trial in sorted(trials, key=lambda trial: (trial.number not in front, -trial.number)):
            if len(kept) < room:
                kept.add(trial.number)
        shown = [trial for trial in trials if trial.number in kept]
        made = rows_of(shown, self._progress.objectives, self._progress.slo, front=front)
        if not self._open:
            return made
        blank = [""] * (len(made.ends) - 1)
        running = [
            Row(
                name=str(one.number),
                configuration=one.configuration,
                estimates=[None] * len(made.metrics),
                end=(*blank, "running"),
                beside=[""] * len(made.metrics) if any(row.beside for row in made.rows) else (),
            )
            for one in self._progress.running.values()
        ]
        return replace(made, rows=(*made.rows, *running))
