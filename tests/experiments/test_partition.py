import numpy as np
import pytest

from experiments.partition import KINDS, partition
from fl.errors import UsageError

Y = np.repeat([0, 1, 2], [60, 30, 10])


def skew(parts):
    """How far the trainers' class proportions lie from those of all rows, on average."""
    overall = np.bincount(Y, minlength=3) / len(Y)
    return np.mean([np.abs(np.bincount(Y[part], minlength=3) / len(part) - overall).sum() for part in parts])


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_belongs_to_one_trainer(kind):
    parts = partition(kind, Y, 4, seed=1, alpha=5.0)
    assert len(parts) == 4
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert all(list(part) == sorted(part) for part in parts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides_the_partition(kind):
    first, again, other = (
        [part.tolist() for part in partition(kind, Y, 4, seed, alpha=5.0)] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_iid_parts_are_equal_in_size():
    assert [len(part) for part in partition("iid", Y, 3, seed=1)] == [34, 33, 33]


def test_a_trainer_for_every_row_is_possible():
    assert [len(part) for part in partition("iid", Y, 100, seed=1)] == [1] * 100


def test_a_smaller_alpha_is_more_skew():
    even, skewed = (skew(partition("dirichlet", Y, 3, seed=1, alpha=alpha)) for alpha in (1000.0, 0.5))
    assert even < 0.15 < skewed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("trainers", "complaint"), [(0, "0 trainers"), (-1, "-1 trainers"), (101, "only 100")]
)
def test_an_absurd_number_of_trainers_is_refused(kind, trainers, complaint):
    with pytest.raises(UsageError, match=complaint):
        partition(kind, Y, trainers, seed=1)


def test_a_trainer_left_without_rows_is_named():
    with pytest.raises(UsageError, match=r"leaves trainer .* without rows") as refusal:
        partition("dirichlet", Y, 40, seed=1, alpha=0.01)
    assert "larger alpha" in refusal.value.hint


@pytest.mark.parametrize("alpha", [0.0, -1.0, 1e-9, float("inf"), float("nan")])
def test_an_absurd_skew_is_refused(alpha):
    with pytest.raises(UsageError, match="alpha"):
        partition("dirichlet", Y, 2, seed=1, alpha=alpha)


def test_an_unknown_partition_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="'shards'") as refusal:
        partition("shards", Y, 2, seed=1)
    assert refusal.value.hint == "There are: iid, dirichlet."
