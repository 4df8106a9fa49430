"""A run's configuration: complete, re-runnable, and refused in one sentence when it is impossible."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.config import RunConfig
from experiments.loading import about_file, load, presets, read
from fl.errors import UsageError

configs = st.builds(
    RunConfig,
    seed=st.integers(0, 2**53 - 1),
    purpose=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50),
    rounds=st.integers(1, 10_000),
    training=st.fixed_dictionaries(
        {
            "learning_rate": st.floats(1e-9, 100),
            "weight_decay": st.floats(0, 1),
            "batch_size": st.integers(1, 1_000_000),
        }
    ),
    model=st.fixed_dictionaries(
        {"hidden": st.lists(st.integers(1, 4096), min_size=1, max_size=16).map(tuple)}
    ),
)


@given(configs)
def test_a_saved_configuration_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, config: RunConfig
) -> None:
    file = tmp_path_factory.mktemp("saved") / "config.toml"
    file.write_text(config.to_toml(), "utf-8")
    assert read(file) == config == load(str(file))


DATA = {"hospitals": None, "digits": None, "credit": "credit.csv", "mnist": "."}
"""What each preset is given as --data."""


@pytest.fixture
def some_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of every kind, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "credit.csv").write_text("x,default\n1,0\n")
    for part in ("train", "test"):
        np.savez(tmp_path / f"toys_{part}.npz", x=np.zeros((2, 3)), y=np.arange(2))


@pytest.mark.usefixtures("some_data")
@pytest.mark.parametrize("name", presets())
def test_every_preset_is_a_possible_run_that_bears_its_name(name: str) -> None:
    assert load(name, flags={"data.source": DATA[name]}).name == name


@pytest.mark.parametrize(
    ("name", "hint"), [("credit", "label is the column default"), ("mnist", "the folder that holds")]
)
def test_a_preset_without_data_says_what_to_give(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"The preset {name} has no data of its own.") as caught:
        load(name)
    assert hint in caught.value.hint
    assert "--data" in caught.value.hint


@pytest.mark.usefixtures("some_data")
def test_a_folder_means_the_file_in_it_that_is_trained_on(tmp_path: Path) -> None:
    assert load("mnist", flags={"data.source": "."}).data.source == str(tmp_path / "toys_train.npz")
    (tmp_path / "mine.toml").write_text('[data]\nsource = "."\ntest = 0\n')
    assert load("mine.toml").data.source == str(tmp_path / "toys_train.npz")


def test_the_published_mnist_setting_is_a_preset(tmp_path: Path, some_data: None) -> None:
    config = load("mnist", flags={"data.source": str(tmp_path)})
    assert (config.trainers, config.invited, config.rounds, config.data.partition) == (100, 10, 50, "iid")
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate, training.momentum) == (
        5,
        10,
        0.01,
        0.5,
    )
    assert (config.model.hidden, config.model.dropout) == ((200,), 0.5)


def test_code_of_ones_own_is_no_path_and_needs_no_file() -> None:
    names = ["data.source=mine:rows", "data.partition=mine:parts", "model.name=mine:model"]
    config = load(overrides=[*names, "model.settings={ widths = [3, 4], deep = true }"])
    assert (config.data.source, config.data.partition, config.model.name) == (
        "mine:rows",
        "mine:parts",
        "mine:model",
    )
    assert config.model.settings == {"widths": (3, 4), "deep": True}


def test_the_hospitals_are_five_with_ten_rounds_of_real_data() -> None:
    config = load("hospitals")
    assert (config.trainers, config.rounds, config.model.name) == (5, 10, "mlp")
    assert config.data.source == "breast_cancer"


def test_a_saved_configuration_leaves_nothing_to_a_default() -> None:
    saved = tomllib.loads(load().to_toml())
    complete = RunConfig().model_dump(exclude_none=True)
    assert {key: set(value) if isinstance(value, dict) else None for key, value in saved.items()} == {
        key: set(value) if isinstance(value, dict) else None for key, value in complete.items()
    }


@pytest.mark.parametrize(
    ("change", "section", "key", "value"),
    [
        ("training.epochs=3", "training", "epochs", 3),
        ("training.learning_rate = 1", "training", "learning_rate", 1.0),
        ("model.name=logistic", "model", "name", "logistic"),
        ('model.name="logistic"', "model", "name", "logistic"),
        ("model.hidden=[8, 4]", "model", "hidden", (8, 4)),
        ("money.reward=7", "money", "reward", "7"),
        ("money.reward=0.25", "money", "reward", "0.25"),
        ('scoring.guard="best"', "scoring", "guard", "best"),
    ],
)
def test_anything_can_be_set_by_its_key(change: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(load(overrides=[change]), section), key) == value


def test_a_flag_wins_over_the_preset_and_a_change_over_the_flag() -> None:
    assert load(flags={"rounds": 3, "seed": None}).rounds == 3
    assert load(overrides=["rounds=4"], flags={"rounds": 3}).rounds == 4


def test_a_reward_is_counted_in_the_smallest_unit() -> None:
    assert load(overrides=["money.reward=0.5"]).money.units == 5 * 10**17


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("training.epochs=0", "training.epochs cannot be 0: a number from 1 to 10,000 is needed."),
        ("training.epochs=1.5", "training.epochs cannot be 1.5: a whole number is needed."),
        ("training.epochs=true", "training.epochs cannot be true: a whole number is needed."),
        ("training.learning_rate=nan", "a number from 1e-09 to 100 is needed"),
        ("training.learning_rate=inf", "a number from 1e-09 to 100 is needed"),
        ("training.learning_rate=-1", "a number from 1e-09 to 100 is needed"),
        ("rounds=1000000", "a number from 1 to 10,000 is needed"),
        ("trainers=0", "a number from 1 to 512 is needed"),
        ("seed=99999999999999999999", "a number from 0 to 9,007,199,254,740,991 is needed"),
        ("model.name=forest", "choose one of 'logistic', 'mlp', 'cnn', or your own as module:attribute"),
        ("model.name=cnn", "has to know the shape of a row as an image"),
        ("model.image=[8, 8]", "three numbers are needed: channels, height and width"),
        ("model.image=[1, 0, 8]", "a number from 1 to 512 is needed"),
        ("model.kernel=2", "choose one of 1, 3, 5, 7"),
        ("model.dropout=1", "a number from 0 to 0.95 is needed"),
        ("model.settings.deep=true", "for a model of one's own, and mlp is installed"),
        (
            "data.partition=halves",
            "choose one of 'iid', 'dirichlet', 'sizes', 'shards', 'column', or your own",
        ),
        ("data.partition=column", "data.column go together"),
        ("data.column=ward", "data.column go together"),
        ("data.shards=0", "a number from 1 to 1,000 is needed"),
        ("data.alpha=0", "a number from 0.001 to 1,000 is needed"),
        ("data.center=0.5", "data.center = 0.5 needs data.scale"),
        ("data.scale=0", "data.scale cannot be 0: a number from 1e-09 to"),
        ("data.validation=0", "leaves no rows to score on"),
        ("model.hidden=8", "a list is needed"),
        ("model.hidden=[]", "model.hidden cannot be []: it may not be empty"),
        ("model.hidden=[8, 0]", "model.hidden.1 cannot be 0"),
        ("money.reward=-1", "decimal text"),
        ("money.reward=1e30", "decimal text"),
        ("name=My Run", "small letters"),
        ("purpose=''", "may not be empty"),
        ("data=3", "a section of settings"),
        ("name.first=3", "holds one value"),
        ("data.test=0.8", "leave too few to train on"),
        ("data.source=mine.csv", "Which column of mine.csv is to be predicted?"),
        ("data.label=x", "names a column of a CSV file"),
        ("windows.quorum=6", "can never be met by 5 trainers"),
        ("windows.close_window=1", "a number from 2 to"),
        ("scoring.minimum_gain=999", "100 times"),
        ("scoring.budget=11", "12 model evaluations"),
        ("rounds", "does not say what to set"),
        ("=3", "does not say what to set"),
        ("rounds=[1", "is not a value for rounds"),
        ("rounds=1\nseed=2", "is not a value for rounds"),
        ("rounds=", "is not a value for rounds"),
    ],
)
def test_an_impossible_setting_is_refused_with_what_would_be_possible(change: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(overrides=[change])
    assert sentence in caught.value.message
    assert "\n" not in caught.value.message.replace(repr(change), "")


def test_a_budget_too_small_to_score_by_names_the_least_that_works() -> None:
    with pytest.raises(UsageError) as caught:
        load("hospitals", ("trainers=40", "scoring.budget=81"))
    assert "scoring.budget to 82" in caught.value.hint
    assert load("hospitals", ("trainers=40", "scoring.budget=82")).scoring.budget == 82


def test_rules_without_utilities_need_no_budget() -> None:
    assert load("hospitals", ("trainers=40", "scoring.budget=1", "scoring.rule=equal")).scoring.budget == 1


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ("training.epoch=2", "Do you mean training.epochs?"),
        ("epochs=2", "Do you mean training.epochs?"),
        ("round=2", "Do you mean rounds?"),
        ("model.epochs=2", "Do you mean training.epochs?"),
        ("scoring.zzzzzzzz=2", "scoring.rule, scoring.utility"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_closest_one(change: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(overrides=[change])
    assert "There is no setting" in caught.value.message
    assert hint in caught.value.hint


def test_an_unknown_preset_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no preset 'hospital'") as caught:
        load("hospital")
    assert caught.value.hint == "Do you mean hospitals?"
    with pytest.raises(UsageError) as caught:
        load("xyz")
    assert caught.value.hint == "There are: credit, digits, hospitals, mnist."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"rounds = 1\nrounds = 2\n", "is not valid TOML"),
        (b"rounds = \n", "is not valid TOML"),
        (b"\xff\xfe", "is not a text file"),
        (b"[training]\nepoch = 1\n", "There is no setting training.epoch"),
        (None, "No such file"),
    ],
)
def test_a_missing_or_broken_file_is_named(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load(str(file))
    assert sentence in caught.value.message


def test_a_folder_in_place_of_a_file_leads_to_resuming(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder") as caught:
        load(str(tmp_path))
    assert f"fl run --resume {tmp_path}" in caught.value.hint


def test_a_files_relative_data_starts_at_the_file_and_is_saved_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text("x,y\n1,a\n")
    (tmp_path / "mine.toml").write_text('[data]\nsource = "rows.csv"\nlabel = "y"\n')
    monkeypatch.chdir("/")
    assert load(str(tmp_path / "mine.toml")).data.source == str(tmp_path / "rows.csv")


def test_data_named_on_the_command_line_starts_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text("x,y\n1,a\n")
    monkeypatch.chdir(tmp_path)
    config = load(flags={"data.source": "rows.csv", "data.label": "y"})
    assert config.data.source == str(tmp_path / "rows.csv")


def test_data_that_is_not_there_is_refused_but_not_when_a_saved_run_is_read(tmp_path: Path) -> None:
    flags = {"data.source": str(tmp_path / "gone.csv"), "data.label": "y"}
    with pytest.raises(UsageError, match=r"no data file .*gone\.csv"):
        load(flags=flags)
    (tmp_path / "gone.csv").write_text("x,y\n1,a\n")
    file = tmp_path / "config.toml"
    file.write_text(load(flags=flags).to_toml())
    (tmp_path / "gone.csv").unlink()
    assert read(file).data.label == "y"


def test_a_saved_configuration_that_was_cut_anywhere_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    file, whole = tmp_path / "config.toml", load().to_toml()
    file.write_text(whole)
    assert read(file) == load()
    for length in range(len(whole)):
        file.write_text(whole[:length])
        with pytest.raises(UsageError):
            read(file)


def test_a_configuration_that_no_run_wrote_is_refused_with_how_to_begin_one(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("rounds = 10\n")
    with pytest.raises(UsageError, match="cut or changed") as caught:
        read(file)
    assert f"fl run {file}" in caught.value.hint


def test_scoring_needs_rows_unless_shares_are_equal_or_by_examples() -> None:
    for rule in ("equal", "examples"):
        changes = ["data.validation=0", f"scoring.rule={rule}"]
        assert load(overrides=changes).data.validation == 0
        with pytest.raises(UsageError, match="no rows to score on"):
            load(overrides=[*changes, "scoring.guard=best"])


@pytest.mark.parametrize("name", ["Patients 2024.csv", "ä.csv", "x" * 200 + ".csv"])
def test_any_file_gives_a_run_a_name_that_folders_can_have(name: str) -> None:
    RunConfig.model_validate(about_file(Path(name), "outcome"))


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_a_folder_that_is_called_as_an_installed_set_does_not_hide_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("digits", [f'data.source="{name}"']).data.source == name


@pytest.mark.parametrize("source", ["~nobody-of-that-name/x.csv", "x\0.csv"])
def test_a_source_that_no_path_can_be_is_a_sentence(source: str) -> None:
    with pytest.raises(UsageError, match="no path"):
        load("hospitals", flags={"data.source": source, "data.label": "y"})


@pytest.mark.parametrize("preset", ["credit", "mnist", "digits"])
def test_a_section_that_is_one_value_is_a_sentence(preset: str) -> None:
    with pytest.raises(UsageError):
        load(preset, ["data=5"])
