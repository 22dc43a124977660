"""How the demo shows what happens: colours and progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_COLOURS = {"admin": "cyan", "sender": "magenta", "service": "green", "home": "yellow", "anna": "blue"}
_PLAIN_EVERY = 0.25  # of the whole: how often a bar is told in plain lines


class Display:
    """Prints what happens, from whatever thread, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def title(self, text: str) -> None:
        """Begins a scene."""
        with self._lock:
            self._console.print(f"\n[bold]{escape(text)}[/bold]")

    def say(self, who: str, text: str) -> None:
        """Prints what ``who`` does or says: admin, sender, service, home or a user."""
        colour = _COLOURS.get(who, "white")
        with self._lock:
            self._console.print(f"[dim]{self._seconds:5.1f}s[/dim] [{colour}]{who:<8}[/{colour}] {escape(text)}")

    def plain(self, text: str) -> None:
        """Prints text as it is."""
        with self._lock:
            self._console.print(escape(text))

    def verdict(self, good: bool, text: str) -> None:
        """Prints whether something was proved."""
        mark = "[bold green]proved[/bold green]" if good else "[bold red]FAILED[/bold red]"
        with self._lock:
            self._console.print(f"  {mark}  {escape(text)}")

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Gives a function that is told how much of ``total`` is done."""
        if not self._console.is_terminal:
            yield self._in_lines(what, total)
            return
        columns = (TextColumn("       {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=False) as bars:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.update(task, completed=done)

    def _in_lines(self, what: str, total: int) -> Callable[[int], None]:
        told = 0.0

        def update(done: int) -> None:
            nonlocal told
            with self._lock:
                if done / total < told + _PLAIN_EVERY and done < total:
                    return
                if told >= 1.0:
                    return
                told = done / total
                self._console.print(f"{self._seconds:5.1f}s          {what}: {done} of {total}")

        return update

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began
