"""What a program that draws over itself shows in a real terminal: each frame, and a page with it for a browser."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import termios
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

_ANEW = re.compile(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*")
"""How rich goes back to the beginning of what it drew, and wipes it out."""
_PAGE = """<!DOCTYPE html><meta charset="utf-8"><style>
html {{ background: {background}; }} body {{ margin: 0; display: inline-block; padding: 14px 18px; }}
pre {{ margin: 0; color: {foreground}; font: 15px/1.3 "DejaVu Sans Mono", "Liberation Mono", monospace; }}
</style><body><pre>{code}</pre>"""
_COLOURS = (
    *((240, 113, 120), (152, 195, 121), (229, 192, 123)),
    *((97, 175, 239), (198, 120, 221), (86, 182, 194)),
)  # red, green, yellow; blue, magenta, cyan
_THEME = TerminalTheme(
    (24, 26, 31),
    (220, 223, 228),
    [(60, 64, 72), *_COLOURS, (220, 223, 228)],
    [(110, 116, 128), *_COLOURS, (255, 255, 255)],
)


def frames(command: Sequence[str | Path], folder: Path, columns: int, lines: int) -> list[str]:
    """All that it drew until it ended, one after the other, with ANSI colours."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (lines, columns))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    env["TERM"] = "xterm-256color"
    with subprocess.Popen(command, cwd=folder, env=env, stdin=its, stdout=its, stderr=its, start_new_session=True):
        os.close(its)
        written = b"".join(_read(ours))
    os.close(ours)
    return [frame.replace("\r\n", "\n").rstrip() for frame in _ANEW.split(written.decode())]


def _read(terminal: int) -> Iterator[bytes]:
    with suppress(OSError):  # Linux says so where the other side is closed
        while piece := os.read(terminal, 65536):
            yield piece


def words(frame: str) -> str:
    """A frame without its colours."""
    return str(Text.from_ansi(frame))


def page(frame: str) -> str:
    """HTML of a frame with its colours."""
    console = Console(file=io.StringIO(), record=True, width=400, force_terminal=True)
    console.print(Text.from_ansi(frame), soft_wrap=True)
    return console.export_html(theme=_THEME, code_format=_PAGE, inline_styles=True)
