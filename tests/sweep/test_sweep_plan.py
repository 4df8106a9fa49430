"""A sweep's file: which cells it stands for, and what is refused."""

import pytest

from experiments.sweep.plan import Plan
from fl.errors import UsageError


@pytest.fixture
def plan(tmp_path):
    def read(text, folder=tmp_path):
        (folder / "sweep.toml").write_text(text)
        return Plan.read(folder / "sweep.toml")

    return read


def names(plan):
    return [cell.name for cell in plan.cells]


def test_a_grid_is_every_value_with_every_other_and_every_seed(plan):
    found = plan(
        """
        seeds = [1, 2]
        [grid]
        rounds = [3, 4]
        training.learning_rate = [0.1, 0.01]
        """
    )
    assert found.columns == ("rounds", "training.learning_rate", "seed")
    assert names(found)[:3] == [
        "rounds=3,learning_rate=0.1,seed=1",
        "rounds=3,learning_rate=0.1,seed=2",
        "rounds=3,learning_rate=0.01,seed=1",
    ]
    assert len(set(names(found))) == 8
    last = found.cells[-1]
    assert last.varied == {"rounds": 4, "training.learning_rate": 0.01, "seed": 2}
    assert (last.config.rounds, last.config.training.learning_rate, last.config.seed) == (4, 0.01, 2)


def test_variants_change_several_settings_under_one_name(plan):
    found = plan(
        """
        [set]
        scoring.rule = "equal"
        [variants.defence.krum]
        rule = { name = "Krum", arguments.num_malicious_nodes = 1 }
        [variants.defence.guard]
        scoring = { rule = "shapley", guard = "best" }
        """
    )
    krum, guard = found.cells
    assert names(found) == ["defence=krum", "defence=guard"]
    assert krum.varied == {"defence": "krum", "seed": 1}
    assert (krum.config.rule.name, krum.config.rule.arguments) == ("Krum", {"num_malicious_nodes": 1})
    assert (krum.config.scoring.rule, krum.config.scoring.guard) == ("equal", "none")
    assert (guard.config.rule.name, guard.config.scoring.guard) == ("FedAvg", "best")
    assert guard.config.scoring.rule == "shapley"  # what a variant says wins over [set]


def test_without_anything_varied_there_is_one_cell(plan):
    assert names(plan("")) == ["cell"]


def test_the_base_is_a_preset_or_a_file_beside_the_sweeps(plan, tmp_path):
    (tmp_path / "mine.toml").write_text("rounds = 7\nseed = 9\n")
    (only,) = plan('base = "mine.toml"').cells
    assert (only.config.rounds, only.config.seed) == (7, 9)
    assert plan('base = "hospitals"').cells[0].config.site == "hospital"


def test_a_data_file_is_looked_for_beside_the_sweeps_file(plan, tmp_path):
    (tmp_path / "rows.csv").write_text("x,y\n1,a\n")
    (only,) = plan('[set]\ndata = { source = "rows.csv", label = "y" }').cells
    assert only.config.data.source == str(tmp_path / "rows.csv")


def test_baselines_are_trained_only_where_the_file_asks_for_them(plan, tmp_path):
    (tmp_path / "mine.toml").write_text("baselines = true\n")
    assert plan('base = "mine.toml"').cells[0].config.baselines is False
    assert plan("[set]\nbaselines = true").cells[0].config.baselines is True
    assert [cell.config.baselines for cell in plan("[grid]\nbaselines = [true, false]").cells] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rounds = 3", "A sweep's file has no 'rounds'."),
        ("base = 3", "base = 3 is neither a preset nor a file."),
        ('base = "hospital"', "Cell cell: There is no preset 'hospital'."),
        ('base = "missing.toml"', "missing.toml cannot be read"),
        ("seeds = 3", "seeds = 3 is no list of values."),
        ("seeds = []", "seeds = [] is no list of values."),
        ("seeds = [1, 2, 1]", "seeds has 1 twice."),
        ("seeds = [1, -2]", "Cell seed=-2: seed cannot be -2"),
        ("set = 3", "set is no table."),
        ("[grid]\nrounds = 3", "grid.rounds = 3 is no list of values."),
        ("[grid]\nseed = [1, 2]", "Seeds have a line of their own."),
        ("[grid]\nrounds = [1, 0]", "Cell rounds=0: rounds cannot be 0"),
        ("[grid]\nround = [1, 2]", "Cell round=1: There is no setting round."),
        ("[grid]\ntrainers = [3, 1]", "Cell trainers=1: windows.quorum = 2 can never be met"),
        ("[set]\nrounds = 3\n[grid]\nrounds = [1, 2]", "rounds is under [set] and varied."),
        (
            "[grid]\nrounds = [1, 2]\n[variants.size.small]\nrounds = 1",
            "rounds is varied by size and by rounds.",
        ),
        (
            "[variants.krum]\nrule.name = 'Krum'\n[variants.mean]\nx=1",
            "variants.mean is no table of named variants.",
        ),
        ("[variants.defence]", "variants.defence is no table of named variants."),
        ("[variants.seed.one]\nseed = 1", "Two columns would be called seed."),
        ("[variants.accuracy.high]\nrounds = 9", "Two columns would be called accuracy."),
        ("[set]\nworkers = 2", "workers is how many processes train in one run."),
        ("[grid]\nworkers = [1, 2]", "workers is how many processes train in one run."),
        (f"seeds = {list(range(10_001))}", "These are 10,001 cells."),
        ("seeds = [1", "is not valid TOML"),
    ],
)
def test_a_wrong_file_gets_a_sentence(plan, text, sentence):
    with pytest.raises(UsageError) as refused:
        plan(text)
    assert sentence in refused.value.message


def test_a_file_that_is_not_there_gets_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        Plan.read(tmp_path / "missing.toml")
