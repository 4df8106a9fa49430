"""Work that waits for somebody else, such as a node, done for the next items while one is being used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Yield `work(item)` for each item in order; the next `ahead` (1 or more) are worked on in threads.

    What an item raises is raised in its turn, and ends it. Who stops early leaves what has begun to end by
    itself, and waits for none of it.
    """
    threads = ThreadPoolExecutor(ahead)
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(threads.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
