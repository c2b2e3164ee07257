"""Signals that ask a run to stop: SIGINT (Ctrl-C) and SIGTERM, which schedulers such as SLURM send.

A run that is stopped ends with the exit status that shells give to a program ended by the signal: 130, 143.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAME = 2.0  # seconds in which a signal that comes again is the same: launchers pass on what the terminal sends to all


class Stopped(SystemExit):
    """A run that ends because a signal asked it to; `told` if a line has said so."""

    def __init__(self, number: int, told: bool = False) -> None:
        super().__init__(128 + number)
        self.number = number
        self.told = told


class Stops:
    """What signals ask of a run, which says when it can be stopped.

    Args:
        when_asked: done when the first one comes
    """

    def __init__(self, when_asked: Callable[[], None] = lambda: None) -> None:
        self.asked: int | None = None
        self._when_asked = when_asked
        self._asked_at = 0.0
        self._at_once = True

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to signals, which raise Stopped: at once, or, from `finish_steps` on, at a second one alone."""
        with handling(self._handle):
            try:
                yield
            except Stopped as stopped:
                if not stopped.told:
                    stopped.told = True
                    print(f"{stopped_by(stopped.number)} at once: nothing was saved", file=sys.stderr)
                raise

    def finish_steps(self) -> None:
        """From now on, note what is asked, as there is something to save first."""
        self._at_once = False

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal end the block, which can be left undone; the run goes on to where it can stop."""
        before, self._at_once = self._at_once, True
        try:
            yield
        except Stopped:
            if before:
                raise
        finally:
            self._at_once = before

    def _handle(self, number: int, frame: Any) -> None:
        del frame
        again = self.asked is not None and time.monotonic() - self._asked_at > _SAME
        if self.asked is None:
            self.asked, self._asked_at = number, time.monotonic()
            self._when_asked()
        if self._at_once or again:
            raise Stopped(number)


@contextmanager
def handling(handle: Callable[[int, Any], None], numbers: Sequence[int] = SIGNALS) -> Iterator[None]:
    """Handle signals in the block; outside the main thread, which alone can, they are left as they are.

    Before Python 3.12, what a signal raises while a class is made, as imports do, becomes the cause of a RuntimeError:
    it is raised as it was.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__cause__, KeyboardInterrupt | Stopped):
            raise error.__cause__ from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block with Stopped, as Ctrl-C ends it with KeyboardInterrupt."""

    def stop(number: int, frame: Any) -> None:
        del frame
        raise Stopped(number)

    with handling(stop, (signal.SIGTERM,)):
        yield


def stopped_by(number: int) -> str:
    """How a line that tells of a stop begins."""
    return f"Stopped by {signal.Signals(number).name}"
