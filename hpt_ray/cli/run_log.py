"""The log of a run: what the terminal says, with times, as a file in the run's folder."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterator

from hpt_ray.cli.console import out
from hpt_ray.core.errors import StoreError, StudyError
from hpt_ray.store.store import MANIFEST, Store

LOG = "log.txt"
#: Seconds between two times that the log is written: whole, since an object store appends nothing.
WRITE_SECONDS = 10.0


class RunLog:
    """Collects lines, and writes them below those of earlier attempts once the run's folder exists."""

    def __init__(self, store: str) -> None:
        self.store, self.run = store, ""
        self.lines = list[str]()
        self.earlier: bytes | None = None
        self.written, self.written_at = 0, time.monotonic()

    def belongs_to(self, run: str) -> None:
        """Say whose log it is, by a run's id; all lines so far are that run's, too."""
        if run != self.run:
            self.write()
            self.run, self.earlier, self.written = run, None, 0

    def note(self, text: str) -> None:
        """Add lines with the time by this machine's clock; empty ones are left out."""
        now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        self.lines += [f"{now} {line.rstrip()}" for line in text.splitlines() if line.strip()]

    def due(self) -> bool:
        """Whether the log was not written for a while."""
        return time.monotonic() - self.written_at >= WRITE_SECONDS

    def write(self) -> None:
        """Write what is new; where that is not possible, to a full disk, the run goes on without."""
        self.written_at = time.monotonic()
        if not self.run or len(self.lines) == self.written:
            return
        with contextlib.suppress(StoreError):
            store, path = Store(self.store, create=False), f"runs/{self.run}/{LOG}"
            if not store.exists(f"runs/{self.run}/{MANIFEST}"):  # it was refused, and leaves nothing behind
                return
            if self.earlier is None:
                self.earlier = store.read(path) if store.exists(path) else b""
            self.written = len(self.lines)
            text = "\n".join([*self.lines[: self.written], ""])
            store.write(path, self.earlier + text.encode(errors="replace"))


@contextlib.contextmanager
def kept(store: str) -> Iterator[RunLog]:
    """The log of one run: it has whatever is printed meanwhile, and why the run ends if it does not finish."""
    log = RunLog(store)
    out.copy = log.note
    try:
        yield log
    except KeyboardInterrupt:
        log.note("interrupted")
        raise
    except Exception as error:
        log.note(f"error: {error}" if isinstance(error, StudyError) else f"{type(error).__name__}: {error}")
        raise
    finally:
        out.copy = None
        log.write()
