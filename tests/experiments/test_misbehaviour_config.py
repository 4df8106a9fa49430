"""Who misbehaves, and how: from settings to kinds, and the arithmetic of each kind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.loading import load, read
from experiments.misbehaviour import KINDS, Misbehaviour
from experiments.misbehaviour import read as kind_of
from fl.errors import UsageError
from fl.examples import Examples

# --- settings


def does(*changes: str) -> dict[int, dict[str, Any]]:
    return {number: kind.model_dump() for number, kind in load(overrides=changes).misbehaving.items()}


def test_a_trainer_misbehaves_by_its_number_with_settings_or_without() -> None:
    said = does("misbehaviour.2=label_flip", 'misbehaviour.1={name="noise", scale=0.5}')
    assert said == {1: {"name": "noise", "scale": 0.5}, 2: {"name": "label_flip"}}
    assert list(said) == [1, 2]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_named_without_a_setting(name: str) -> None:
    assert does(f"misbehaviour.1={name}")[1]["name"] == name


def test_a_number_and_a_kind_are_a_short_form_for_the_first_trainers() -> None:
    flips = {"name": "sign_flip", "factor": 1.0}
    assert does("attackers=2", "attack=sign_flip") == {1: flips, 2: flips}
    assert does("attackers=0", "attack=sign_flip") == {}


def test_the_short_form_has_settings_of_its_own() -> None:
    assert does("attackers=1", "attack.name=noise", "attack.scale=2") == {1: {"name": "noise", "scale": 2.0}}


def test_what_a_trainer_does_by_its_number_wins_over_the_short_form() -> None:
    said = does("attackers=2", "attack=nan", "misbehaviour.2=absent", "misbehaviour.5=copycat")
    assert {number: kind["name"] for number, kind in said.items()} == {1: "nan", 2: "absent", 5: "copycat"}


def test_one_of_one_s_own_has_whatever_settings_its_function_takes() -> None:
    assert does('misbehaviour.1={name="mine:attack", strength=3, slow=true}') == {
        1: {"name": "mine:attack", "strength": 3, "slow": True}
    }


def test_a_saved_configuration_keeps_who_misbehaves(tmp_path: Any) -> None:
    table = ('misbehaviour.2={name="mine:f", x=1}', "misbehaviour.10=nan", "trainers=10")
    config = load(overrides=[*table, "attackers=1", "attack=noise"])
    file = tmp_path / "config.toml"
    file.write_text(config.to_toml())
    assert read(file) == load(str(file)) == config
    assert list(read(file).misbehaving) == [1, 2, 10]


@pytest.mark.parametrize(
    ("changes", "sentence", "hint"),
    [
        (["misbehaviour.1=labelflip"], "misbehaviour.1 = 'labelflip' is no misbehaviour.", "label_flip?"),
        (["misbehaviour.1=zzz"], "is no misbehaviour", "There are: label_flip, sign_flip"),
        (["misbehaviour.1=3"], "misbehaviour.1 = 3 is no misbehaviour.", "There are"),
        (["misbehaviour.1={scale=1}"], "misbehaviour.1 = None is no misbehaviour.", "There are"),
        (["misbehaviour=nan"], "it is a section of settings, not one value", ""),
        (["misbehaviour.6=nan"], "misbehaviour.6 is of a trainer that does not exist.", "5 trainers count"),
        (["misbehaviour.0=nan"], "misbehaviour.0 is of a trainer", "count from 1"),
        (["misbehaviour.01=nan"], "misbehaviour.01 is of a trainer", "count from 1"),
        (["misbehaviour.x=nan"], "misbehaviour.x is of a trainer", "count from 1"),
        (['misbehaviour.1={name="noise", scal=1}'], "noise has no setting scal.", "It has: scale."),
        (['misbehaviour.1={name="nan", scale=1}'], "nan has no setting scale.", "It has none."),
        (['misbehaviour.1={name="noise", scale=-1}'], "misbehaviour.1.scale cannot be -1: a number", ""),
        (['misbehaviour.1={name="noise", scale="x"}'], "scale cannot be 'x': a number is needed", ""),
        (['misbehaviour.1={name="mine:f", x=[1]}'], "mine:f cannot have x = [1].", "numbers, texts"),
        (["attackers=2"], "attackers = 2 do what?", "Set attack to one of: label_flip"),
        (["attackers=6", "attack=nan"], "attackers = 6, and there are 5 trainers.", ""),
        (["attack=shout"], "attack = 'shout' is no misbehaviour.", "There are"),
    ],
)
def test_what_nobody_can_do_is_refused_with_a_sentence(changes: list[str], sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(overrides=changes)
    assert sentence in caught.value.message
    assert hint in caught.value.hint


# --- arithmetic


BASE = {"w": np.arange(1000, dtype=np.float32), "steps": np.array(7, np.int64)}
TRAINED = {"w": BASE["w"] + np.float32(2), "steps": np.array(8, np.int64)}


def update(name: str, **settings: object) -> dict[str, np.ndarray[Any, Any]]:
    asked: list[Examples] = []

    def train(rows: Examples | None = None) -> dict[str, np.ndarray[Any, Any]]:
        asked.extend([rows] if rows else [])
        return TRAINED

    rows = Examples(np.zeros((4, 1), np.float32), np.array([0, 1, 2, 2]))
    turn: Any = SimpleNamespace(
        base=BASE, train=train, rows=rows, classes=3, chance=np.random.default_rng(1), asked=asked
    )
    kind: Misbehaviour = kind_of("attack", {"name": name, **settings})
    made = kind.update(turn)
    return {**made, "rows": asked[0].y} if asked else made


def test_flipped_signs_are_as_far_from_the_base_on_the_other_side() -> None:
    assert np.array_equal(update("sign_flip")["w"], BASE["w"] - 2)
    assert np.array_equal(update("sign_flip", factor=3.0)["w"], BASE["w"] - 6)


def test_flipped_labels_are_the_next_class_and_the_last_becomes_the_first() -> None:
    assert update("label_flip")["rows"].tolist() == [1, 2, 0, 0]


def test_noise_has_the_scale_that_was_set_around_the_base() -> None:
    found = update("noise", scale=0.5)["w"] - BASE["w"]
    assert abs(found.mean()) < 0.1
    assert found.std() == pytest.approx(0.5, rel=0.1)


def test_a_free_rider_stays_next_to_the_base_in_another_file() -> None:
    found = update("free_rider")["w"]
    assert not np.array_equal(found, BASE["w"])
    assert np.abs(found - BASE["w"]).max() < 1e-2


@pytest.mark.parametrize("name", ["sign_flip", "noise", "nan", "free_rider"])
def test_what_counts_things_is_left_as_it_was_and_no_dtype_changes(name: str) -> None:
    made = update(name)
    assert made["steps"] == 7
    assert {key: array.dtype for key, array in made.items()} == {k: a.dtype for k, a in BASE.items()}
    assert np.isnan(made["w"]).all() == (name == "nan")
