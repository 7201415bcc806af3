"""A progress line for purchases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress


class Progress:
    """Shows the finished jobs of a purchase, and the spending so far.

    Args:
        shown: Whether to show anything. Without a terminal nothing is shown.
        currency: The currency of the money.
    """

    def __init__(self, shown: bool, currency: str) -> None:
        self._shown = shown
        self._currency = currency
        self._bar: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None

    def start(self, jobs: int) -> None:
        """Starts the line for a purchase of this many jobs."""
        if not self._shown:
            return
        # Imported here, since most runs show nothing.
        import rich.console
        import rich.progress

        console = rich.console.Console(stderr=True)
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(bar_width=20),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar.start()
        self._task = self._bar.add_task("jobs", total=jobs)

    def done(self, shots: int, money: float) -> None:
        """Shows that one more job is done.

        Args:
            shots: The shots spent so far.
            money: The money spent so far.
        """
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, description=self.text(shots, money))

    def text(self, shots: int, money: float) -> str:
        """Returns the text for the spending."""
        return f"{shots:,} shots" + (f", {money:,.2f} {self._currency}" if money else "")

    def stop(self) -> None:
        """Removes the line."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None
