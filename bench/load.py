"""So many clients at once, each with one request after the other; how long each took."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Timings:
    """The seconds each piece of work took, and the seconds of the whole."""

    seconds: list[float] = field(default_factory=list)
    total: float = 0.0

    @property
    def per_second(self) -> float:
        """How many were done a second."""
        return len(self.seconds) / self.total

    def __add__(self, other: Timings) -> Timings:
        return Timings(self.seconds + other.seconds, self.total + other.total)

    def quantile(self, share: float) -> float:
        """The time within which this share was done: quantile(0.99) is p99."""
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def drive(work: Callable[[int], None], *, clients: int, seconds: float) -> Timings:
    """Let `clients` threads do `work(number of the client)` for so long; a failure ends it all."""
    timings = Timings()
    failures: list[BaseException] = []
    until = time.monotonic() + seconds

    def go_on(client: int) -> None:
        try:
            while time.monotonic() < until and not failures:
                start = time.monotonic()
                work(client)
                timings.seconds.append(time.monotonic() - start)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(clients)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timings.total = time.monotonic() - start
    if failures:
        raise failures[0]
    return timings
