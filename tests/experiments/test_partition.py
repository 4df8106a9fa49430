import numpy as np
import pytest

from experiments import partition as kinds
from experiments.learning_config import PARTITIONS, DataConfig
from fl.errors import UsageError

Y = np.repeat([0, 1, 2], [60, 30, 10])
WARDS = np.repeat(["a", "b", "c", "d", "e"], [40, 5, 30, 20, 5])


def partition(kind, y, trainers, seed=1, values=WARDS, **settings):
    column = {"column": "ward"} if kind == "column" else {}
    return kinds.partition(DataConfig(partition=kind, **column, **settings), y, trainers, seed, values)


def sizes(parts):
    return [len(part) for part in parts]


def skew(parts):
    """How far the trainers' class proportions lie from those of all rows, on average."""
    overall = np.bincount(Y, minlength=3) / len(Y)
    return np.mean([np.abs(np.bincount(Y[part], minlength=3) / len(part) - overall).sum() for part in parts])


@pytest.mark.parametrize("kind", PARTITIONS)
def test_every_row_belongs_to_one_trainer(kind):
    parts = partition(kind, Y, 4, alpha=5.0)
    assert len(parts) == 4
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert all(list(part) == sorted(part) for part in parts)


@pytest.mark.parametrize("kind", [kind for kind in PARTITIONS if kind != "column"])
def test_the_seed_alone_decides_the_partition(kind):
    first, again, other = (
        [part.tolist() for part in partition(kind, Y, 4, seed, alpha=5.0)] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_iid_parts_are_equal_in_size():
    assert sizes(partition("iid", Y, 3)) == [34, 33, 33]


def test_a_trainer_for_every_row_is_possible():
    assert sizes(partition("iid", Y, 100)) == [1] * 100


def test_a_smaller_alpha_is_more_label_skew():
    even, skewed = (skew(partition("dirichlet", Y, 3, alpha=alpha)) for alpha in (1000.0, 0.5))
    assert even < 0.15 < skewed


def test_a_smaller_alpha_is_more_size_skew_with_the_same_classes():
    y = np.tile(Y, 20)
    even, skewed = (partition("sizes", y, 4, alpha=alpha) for alpha in (1000.0, 1.0))
    assert np.ptp(sizes(even)) < 200 < np.ptp(sizes(skewed))
    for part in skewed:
        assert np.bincount(y[part], minlength=3) / len(part) == pytest.approx([0.6, 0.3, 0.1], abs=0.1)


def test_shards_give_each_trainer_few_classes_in_equal_parts():
    y = np.repeat(np.arange(10), 100)
    parts = partition("shards", y, 50, shards=2)
    assert sizes(parts) == [20] * 50
    assert all(len(set(y[part])) <= 2 for part in parts)
    assert len({tuple(sorted(set(y[part]))) for part in parts}) > 10


def test_shards_of_one_class_are_drawn_at_random_too():
    first, second = (partition("shards", np.zeros(100, int), 1, seed, shards=1) for seed in (1, 2))
    assert sizes(first) == sizes(second) == [100]
    halves = [partition("shards", np.zeros(100, int), 2, seed, shards=1)[0].tolist() for seed in (1, 2)]
    assert halves[0] != halves[1]


def test_more_shards_than_rows_are_refused():
    with pytest.raises(UsageError, match="20 trainers with 6 shards each need 120 rows, and there are 100"):
        partition("shards", Y, 20, shards=6)


def test_each_value_of_a_column_is_a_trainers_where_there_are_as_many():
    assert [set(WARDS[part]) for part in partition("column", Y, 5)] == [{ward} for ward in "abcde"]


def test_neighbouring_values_of_a_column_go_together_in_parts_as_equal_as_they_can_be():
    assert [set(WARDS[part]) for part in partition("column", Y, 2)] == [{"a", "b"}, {"c", "d", "e"}]
    ages = np.array([9.0, 10.0, 100.0] * 4)
    parts = partition("column", np.zeros(12, int), 2, values=ages)
    assert [set(ages[part]) for part in parts] == [{9.0}, {10.0, 100.0}]


@pytest.mark.parametrize("trainers", range(1, 6))
def test_no_trainer_is_left_out_by_a_value_that_most_rows_have(trainers):
    values = np.repeat([0, 1, 2, 3, 4], [1, 1, 1, 1, 96])
    for column in (values, values[::-1] * -1):
        assert min(sizes(partition("column", Y, trainers, values=column))) >= 1


def test_fewer_values_than_trainers_are_refused():
    with pytest.raises(UsageError, match="5 different values, too few for 6 trainers"):
        partition("column", Y, 6)


@pytest.mark.parametrize("kind", PARTITIONS)
@pytest.mark.parametrize("trainers", [0, -1, 101])
def test_an_absurd_number_of_trainers_is_refused(kind, trainers):
    with pytest.raises(UsageError, match=f"{trainers} trainers cannot divide 100 training rows"):
        partition(kind, Y, trainers)


@pytest.mark.parametrize("kind", ["dirichlet", "sizes"])
def test_a_trainer_left_without_rows_is_named(kind):
    with pytest.raises(UsageError, match=r"leaves trainer .* without rows") as refusal:
        partition(kind, Y, 40, alpha=0.01)
    assert "larger alpha" in refusal.value.hint


# --- a function of one's own


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes somebody's file into the working folder; the name of the function `divide` in it."""
    monkeypatch.chdir(tmp_path)

    def write(returned):
        module = f"their_parts_{abs(hash(returned))}"
        head = "import numpy as np\ndef divide(y, trainers, chance):\n    n = np.arange(len(y))\n"
        (tmp_path / f"{module}.py").write_text(f"{head}    return {returned}\n")
        return f"{module}:divide"

    return write


def test_a_partition_of_ones_own_says_who_gets_which_rows(own):
    parts = partition(own("[n[y == t][::-1] for t in range(trainers)]"), Y, 3)
    assert [part.tolist() for part in parts] == [np.flatnonzero(t == Y).tolist() for t in range(3)]


def test_a_partition_of_ones_own_draws_from_the_runs_seed_and_may_leave_rows_out(own):
    name = own("np.array_split(chance.permutation(n)[:50], trainers)")
    first, again, other = (np.concatenate(partition(name, Y, 2, seed)).tolist() for seed in (1, 1, 2))
    assert len(first) == 50
    assert first == again != other


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        ("1 / 0", "cannot divide these rows: ZeroDivisionError"),
        ("None", "cannot divide these rows: TypeError"),
        ("[n]", "returns 1 part for 2 trainers"),
        ("[n / 2, n]", "no lists of whole numbers"),
        ("[[n], [n]]", "no lists of whole numbers"),
        ("[n[:50], n[50:] + 1]", "outside of the 100 rows"),
        ("[[0, -1], [1]]", "outside of the 100 rows"),
        ("[n[:51], n[50:]]", "gives a row to a trainer twice, or to two"),
        ("[n, []]", "leaves trainer 2 without rows"),
    ],
)
def test_what_is_wrong_with_a_partition_of_ones_own_is_a_sentence(own, returned, sentence):
    name = own(returned)
    with pytest.raises(UsageError, match=sentence):
        partition(name, Y, 2)
