"""Results in their order, while the next items are worked on."""

import threading
from collections.abc import Iterator

import pytest

from fl.store.ahead import in_order


def test_results_come_in_the_order_of_the_items_whoever_is_done_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        assert item != 0 or second_is_done.wait(10)
        if item == 1:
            second_is_done.set()
        return item * item

    assert list(in_order(work, range(5), 2)) == [0, 1, 4, 9, 16]


def test_no_more_items_are_taken_than_are_worked_on_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = in_order(str, items(), 3)
    assert next(results) == "0"
    assert taken == [0, 1, 2, 3]


def test_a_failure_is_raised_in_its_turn_and_nothing_is_begun_after_it() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return 10 // (2 - item)

    results = in_order(work, range(100), 1)
    assert [next(results), next(results)] == [5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) < 6
    assert list(results) == []


def test_who_stops_early_does_not_wait_for_what_has_begun() -> None:
    go = threading.Event()

    def work(item: int) -> int:
        assert item == 0 or go.wait(10)
        return item

    results = in_order(work, range(3), 2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]  # it is a generator
    go.set()
