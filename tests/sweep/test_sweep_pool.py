"""Worker processes that take jobs one after the other."""

import os
import time

import jobs
import pytest
from jobs import die, divide_by_zero, double, refuse

from experiments.sweep.pool import Failure, Job, Pool


def answers(pool, *jobs, heard=lambda number, said: None):
    return dict(pool.run([Job(function, arguments) for function, *arguments in jobs], heard))


@pytest.fixture
def pool():
    with Pool(2, needs="experiments.sweep.work") as made:
        yield made


def test_every_job_is_answered_under_its_number_by_as_many_processes_as_there_are_workers(pool):
    found = answers(pool, *((double, number) for number in range(6)))
    assert {number: value for number, (value, _) in found.items()} == {n: 2 * n for n in range(6)}
    assert 1 <= len({process for _, process in found.values()} - {os.getpid()}) <= 2


def test_workers_serve_again(pool):
    first = {process for _, process in answers(pool, (double, 1), (double, 2)).values()}
    assert {process for _, process in answers(pool, (double, 3), (double, 4)).values()} <= first


def test_what_a_job_tells_is_heard_under_its_number(pool):
    heard = []
    answers(pool, (double, 5), (double, 7), heard=lambda number, said: heard.append((number, said)))
    assert sorted(heard) == [(0, "doubling 5"), (1, "doubling 7")]


@pytest.mark.parametrize(
    ("function", "failure"),
    [
        (refuse, Failure("3 is not possible.", "Take another.")),
        (
            divide_by_zero,
            Failure(f"ZeroDivisionError: division by zero ({os.path.relpath(jobs.__file__)}:23)."),
        ),
        (die, Failure("Its process was ended (SIGKILL).")),
    ],
)
def test_a_job_that_fails_says_why_and_the_others_go_on(pool, function, failure):
    found = answers(pool, (double, 1), (function, 3), (double, 2), (double, 4))
    assert found.pop(1) == failure
    assert {number: value for number, (value, _) in found.items()} == {0: 2, 2: 4, 3: 8}


def test_a_worker_that_was_killed_while_it_had_nothing_to_do_costs_one_job_at_most(pool):
    _, process = answers(pool, (double, 1))[0]
    os.kill(process, 9)
    found = answers(pool, (double, 1), (double, 2), (double, 3))
    assert sum(isinstance(answer, Failure) for answer in found.values()) <= 1


def test_leaving_ends_workers_in_the_middle_of_something():
    with Pool(1, needs="experiments.sweep.work") as pool:
        _, process = next(iter(pool.run([Job(double, (1,)), Job(time.sleep, (600,))], lambda *_: None)))[1]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
