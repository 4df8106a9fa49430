"""What makes runs one group, what the group is called, and what is said of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.compare.comparison import Comparison
from experiments.compare.settings import labels
from experiments.results import Results, Timing
from fl.errors import UsageError

Make = Callable[..., Results]
Compared = Callable[..., Comparison]


def names(comparison: Comparison) -> list[str]:
    return [group.label for group in comparison.groups]


def test_runs_that_differ_in_their_seeds_are_one_group_with_the_name_of_the_run(
    make: Make, compared: Compared
) -> None:
    found = compared(make(seed=2), make(seed=1), make(seed=3))
    assert names(found) == ["hospitals"]
    assert [run.seed for run in found.groups[0].runs] == [1, 2, 3]


def test_a_label_says_what_differs_and_nothing_else(make: Make, compared: Compared) -> None:
    found = compared(
        make("rule.name=FedAvg", "data.alpha=0.5"),
        make("rule.name=Krum", "data.alpha=0.5"),
        make("rule.name=Krum", "data.alpha=0.1"),
    )
    assert names(found) == [
        "alpha=0.5, rule=FedAvg",
        "alpha=0.5, rule=Krum",
        "alpha=0.1, rule=Krum",
    ]
    assert found.differing == ("data.alpha", "rule.name")


def test_a_setting_whose_short_name_is_not_clear_keeps_its_section(make: Make, compared: Compared) -> None:
    found = compared(make("scoring.rule=equal"), make("scoring.rule=examples"))
    assert names(found) == ["scoring.rule=equal", "scoring.rule=examples"]


@pytest.mark.parametrize("idle", ["workers=2", "name=other", 'purpose="other words"', "baselines=false"])
def test_what_changes_no_result_makes_no_group(idle: str, make: Make, compared: Compared) -> None:
    assert len(compared(make(seed=1), make(idle, seed=2)).groups) == 1


def test_lists_tables_and_nothing_are_written_in_few_words() -> None:
    told = [
        {"model.hidden": [16, 8], "rule.arguments": {"eta": 0.1}, "data.label": None},
        {"model.hidden": [4], "rule.arguments": {}, "data.label": "class"},
    ]
    assert labels(told) == [
        "hidden=16-8, arguments=eta:0.1, label=none",
        "hidden=4, arguments=none, label=class",
    ]


def test_an_attack_is_called_by_its_name_with_what_is_not_usual(make: Make, compared: Compared) -> None:
    told = (["attack=label_flip"], ["attack=noise"], ["attack.name=noise", "attack.scale=0.2"])
    runs = [make("attackers=1", *one) for one in told]
    assert names(compared(make(), *runs)) == [
        "attackers=0, attack=none",
        "attackers=1, attack=label_flip",
        "attackers=1, attack=noise",
        "attackers=1, attack=noise(scale:0.2)",
    ]


def test_cells_of_a_sweep_are_called_as_the_sweep_calls_them() -> None:
    told = [
        {"scoring.guard": guard, "training.epochs": epochs} for guard in ("none", "best") for epochs in (1, 2)
    ]
    varied = [
        {"defence": name, "training.epochs": epochs} for name in ("nothing", "guard") for epochs in (1, 2)
    ]
    assert labels(told[1:], varied[1:]) == [
        "defence=nothing, epochs=2",
        "defence=guard, epochs=1",
        "defence=guard, epochs=2",
    ]
    assert labels(told[:2], varied[:2]) == ["epochs=1", "epochs=2"]
    assert labels(told[1:], [{}, *varied[2:]]) == ["guard=none, epochs=2", "epochs=1", "epochs=2"]


def test_a_sweeps_words_that_do_not_tell_cells_apart_are_not_taken() -> None:
    told = [{"rounds": 3}, {"rounds": 6}]
    assert labels(told, [{"defence": "guard"}] * 2) == ["rounds=3", "rounds=6"]


def test_runs_that_differ_in_too_much_to_be_read_are_called_by_their_folders(
    make: Make, compared: Compared, rows: Path
) -> None:
    other = make(f'data.source="{rows}"', f'data.label="{"long" * 20}"', f'data.leave_out=["{"x" * 90}"]')
    assert names(compared(make(), other)) == ["1", "2"]


def test_a_data_set_is_called_by_its_file_unless_two_files_have_one_name() -> None:
    told = [{"data.source": source} for source in ("/here/rows.csv", "/here/other.csv")]
    assert labels(told) == ["source=rows.csv", "source=other.csv"]
    told = [{"data.source": source} for source in ("/here/rows.csv", "/there/rows.csv")]
    assert labels(told) == ["source=/here/rows.csv", "source=/there/rows.csv"]


def test_runs_on_other_data_are_another_group(make: Make, rows: Path, compared: Compared) -> None:
    found = compared(make(f'data.source="{rows}"', "data.label=y"), make())
    assert names(found) == ["source=rows.csv, label=y", "source=breast_cancer, label=none"]


def test_of_runs_of_one_seed_and_equal_settings_the_first_is_taken(make: Make, compared: Compared) -> None:
    found = compared(make(seed=7, loss=0.3), make(seed=8), make("workers=3", seed=7, loss=0.1))
    assert [(run.folder, run.seed) for run in found.groups[0].runs] == [("runs/1", 7), ("runs/2", 8)]
    assert found.repeated == {"runs/3": "runs/1"}


# --- what is compared


def test_groups_are_compared_seed_by_seed_with_the_first(make: Make, compared: Compared) -> None:
    losses = {("FedAvg", 1): 0.10, ("FedAvg", 2): 0.20, ("Krum", 1): 0.15, ("Krum", 2): 0.27}
    found = compared(
        *(make(f"rule.name={rule}", seed=seed, loss=loss) for (rule, seed), loss in losses.items())
    )
    first, second = found.groups
    row = found.row(second, "log_loss")
    assert row is not None
    assert row.mean.value == pytest.approx(0.21)
    assert row.difference is not None
    assert row.difference.value == pytest.approx(0.06)
    assert row.difference.half == pytest.approx(12.7062 * 0.01, rel=1e-4)  # t of 1 degree × 0.02/√2/√2
    assert row.difference.basis == "paired over 2 seeds"
    reference = found.row(first, "log_loss")
    assert reference is not None
    assert reference.difference is None


def test_any_group_can_be_the_reference_by_a_part_of_its_label(make: Make, compared: Compared) -> None:
    made = [make(f"rule.name={rule}") for rule in ("FedAvg", "Krum", "MultiKrum")]
    assert compared(*made, against="Multi").against == "rule=MultiKrum"
    assert compared(*made, against="rule=Krum").against == "rule=Krum"
    with pytest.raises(UsageError, match="more than one"):
        compared(*made, against="rule")
    assert compared(*made, against="Krum").against == "rule=Krum"  # the whole value
    with pytest.raises(UsageError, match="no group"):
        compared(*made, against="Median")


def test_the_reference_can_be_told_by_some_of_its_settings(make: Make, compared: Compared) -> None:
    made = [
        make(f"rule.name={rule}", f"data.alpha={alpha}") for rule in ("Krum", "FedAvg") for alpha in (1, 2)
    ]
    assert compared(*made, against="FedAvg,alpha=2").against == "alpha=2, rule=FedAvg"
    with pytest.raises(UsageError, match="more than one"):
        compared(*made, against="FedAvg")


def test_gas_and_seconds_are_those_of_a_mean_round(make: Make, compared: Compared) -> None:
    found = compared(make(shares=((1, 1), ())))
    quantities = found.groups[0].runs[0].quantities
    assert quantities["gas"] == (49_000 + 86_000 + 75_000 + 65_000 + 49_000 + 75_000) / 2
    assert quantities["seconds"] == pytest.approx(1.0)


def test_results_without_timing_are_compared_all_the_same(make: Make, compared: Compared) -> None:
    run = compared(replace(make(), timing=Timing())).groups[0].runs[0]
    assert (run.seconds, run.quantities["seconds"]) == ((0, 0), 0)


def test_what_misbehaving_trainers_earned_is_told_beside_honest_ones(make: Make, compared: Compared) -> None:
    found = compared(make(shares=((1, 9),), bad=(1,)))
    quantities = found.groups[0].runs[0].quantities
    assert quantities["earned_label_flip"] == pytest.approx(0.2)
    assert quantities["earned_honest"] == pytest.approx(1.8)


def test_without_misbehaviour_nobody_is_called_honest(make: Make, compared: Compared) -> None:
    assert not any(name.startswith("earned_") for name in compared(make()).quantities)


def test_rewards_are_held_against_exact_ones_where_these_are_known(make: Make, compared: Compared) -> None:
    run = compared(make(shares=((3, 1),))).groups[0].runs[0]
    assert "reward_error" not in run.quantities
    exact = tuple(replace(one, exact=part) for one, part in zip(run.trainers, (0.7, 0.3), strict=True))
    assert replace(run, trainers=exact).quantities["reward_error"] == pytest.approx(0.05)


def test_a_run_without_a_closed_round_is_compared_by_the_model_it_began_with(
    make: Make, compared: Compared
) -> None:
    run = compared(make(shares=((), ()))).groups[0].runs[0]
    assert (run.closed, run.paid) == (0, {})
    assert run.quantities.keys() == {"log_loss", "accuracy", "auc", "gas", "seconds"}


def test_a_run_without_any_round_costs_nothing_that_could_be_compared(make: Make, compared: Compared) -> None:
    assert compared(make(shares=())).groups[0].runs[0].quantities.keys() == {"log_loss", "accuracy", "auc"}
