"""The same seed gives the same run: model, shares, balances, and every block of the chain."""

import pytest


def test_the_same_seed_gives_the_same_run_down_to_the_last_block(honest, finish, tmp_path):
    again = finish(tmp_path / "again")
    assert again.results.facts() == honest.results.facts()
    assert again.results.weights == honest.results.weights
    assert (again.folder / "model.safetensors").read_bytes() == (
        honest.folder / "model.safetensors"
    ).read_bytes()
    assert again.head == honest.head


@pytest.mark.slow
def test_another_seed_gives_another_run(honest, finish, tmp_path):
    other = finish(tmp_path / "other", "seed=2")
    assert other.results.weights != honest.results.weights
    assert [one.earned for one in other.results.contributors] != [
        one.earned for one in honest.results.contributors
    ]
    assert other.head != honest.head


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_the_number_of_workers_changes_nothing(honest, finish, tmp_path, workers):
    run = finish(tmp_path / "run", f"workers={workers}")
    assert run.results.facts() == honest.results.facts()
    assert run.head == honest.head


@pytest.mark.slow
def test_a_saved_configuration_gives_the_same_run_again(honest, fl, tmp_path):
    code, out = fl("run", honest.folder / "config.toml", "--out", tmp_path / "again", "--json")
    assert code == 0
    assert f'"weights": "{honest.results.weights}"' in out


def test_what_the_rounds_paid_is_what_the_contributors_hold(honest):
    reward, rounds = 100 * 10**18, len(honest.results.rounds)
    earned = [int(one.earned) for one in honest.results.contributors]
    assert earned == [int(one.balance) for one in honest.results.contributors]
    dust = rounds * reward - sum(earned)
    assert 0 <= dust < rounds * len(earned)
