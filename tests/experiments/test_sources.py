"""Where rows come from: scikit-learn, files, and somebody's own function."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clients.data import encode
from experiments.arrays import train_file
from experiments.datasets import describe
from experiments.learning_config import DataConfig
from experiments.sources import load
from fl.errors import UsageError

X = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
Y = np.array([0, 1, 2] * 2)


def source(name, label=None):
    return DataConfig(source=str(name), label=label)


def test_the_breast_cancers_are_569_patients_with_two_diagnoses():
    data = load(DataConfig())
    assert data.frame.shape == (569, 31)
    assert data.frame[data.label].value_counts().to_dict() == {"benign": 357, "malignant": 212}


def test_the_digits_are_1797_images_of_64_pixels_from_0_to_16():
    data = load(source("digits"))
    pixels = data.frame.drop(columns=data.label)
    assert pixels.shape == (1797, 64)
    assert (pixels.to_numpy().min(), pixels.to_numpy().max()) == (0, 16)
    assert set(data.frame[data.label]) == set(range(10))


def test_a_csv_file_is_loaded_with_its_label(tmp_path):
    path = tmp_path / "wards.csv"
    path.write_text("a,y\n1,yes\n2,no\n")
    data = load(source(path, "y"))
    assert (data.label, list(data.frame["y"]), data.test) == ("y", ["yes", "no"], None)


# --- arrays


def written(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_images_become_rows_of_numbers_in_their_order(tmp_path):
    data = load(source(written(tmp_path / "images.npz", x=X, y=Y)))
    assert data.frame.to_numpy().tolist() == [[*X[n].ravel(), Y[n]] for n in range(6)]
    assert data.frame["x1"].dtype == np.uint8


def test_a_train_file_brings_the_test_part_that_lies_beside_it(tmp_path):
    train = written(tmp_path / "toys_train.npz", x=X, y=Y)
    assert load(source(train)).test is None
    written(tmp_path / "toys_test.npz", x=X[:2], y=Y[:2])
    data = load(source(train))
    assert (len(data.frame), len(data.test)) == (6, 2)


def test_a_folder_means_the_one_pair_in_it(tmp_path):
    with pytest.raises(UsageError, match="holds no pair"):
        train_file(tmp_path)
    for name in ("a_train", "b_train", "b_test"):
        written(tmp_path / f"{name}.npz", x=X, y=Y)
    assert train_file(tmp_path) == tmp_path / "b_train.npz"
    written(tmp_path / "a_test.npz", x=X, y=Y)
    with pytest.raises(UsageError, match=r"holds a_train\.npz, b_train\.npz"):
        train_file(tmp_path)


def test_pixels_scaled_by_255_are_exactly_their_part_of_it(tmp_path):
    data = load(source(written(tmp_path / "images.npz", x=X + 231, y=Y)))
    terms = describe(data.frame, data.label, np.array([], int), DataConfig(scale=255.0))
    x, y = encode(data.frame, terms)
    assert np.array_equal(x, (X + 231).reshape(6, 4) / np.float32(255))
    assert np.array_equal(y, Y)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": X}, "has no array y"),
        ({"images": X, "labels": Y}, "has no array x and no array y"),
        ({"x": X, "y": Y[:5]}, r"x has the shape \(6, 2, 2\) and y \(5,\)"),
        ({"x": X, "y": np.eye(6, dtype=int)}, r"y \(6, 6\)"),
        ({"x": X.ravel()[:6], "y": Y}, r"x has the shape \(6,\)"),
        ({"x": X[:0], "y": Y[:0]}, r"x has the shape \(0, 2, 2\)"),
        ({"x": X.astype(complex), "y": Y}, "x is complex128"),
        ({"x": X.astype(str), "y": Y}, "x is <U"),
        ({"x": X, "y": Y / 3}, "y is float64"),
        ({"x": X.astype(object), "y": Y}, "no .npz file that can be read: Object arrays"),
        ({"x": np.full((6, 2), np.nan), "y": Y}, "has missing values, in rows 1, 2, 3, 4, 5 and 1 more"),
    ],
)
def test_arrays_that_are_no_rows_with_classes_are_refused_in_a_sentence(tmp_path, arrays, sentence):
    path = tmp_path / "toys.npz"
    np.savez(path, **arrays)
    with pytest.raises(UsageError, match=sentence) as refusal:
        load(source(path))
    assert "toys.npz" in refusal.value.message


def damaged(path):
    data = bytearray(written(path, x=np.random.default_rng(1).integers(0, 255, (60, 90)), y=Y).read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)


def cut(path):
    path.write_bytes(written(path, x=X, y=Y).read_bytes()[:150])


def other_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", "no array")
        file.writestr("y.npy", "no array")


def one_array(path):
    with path.open("wb") as file:
        np.save(file, X)


@pytest.mark.parametrize(
    "make",
    [damaged, cut, other_zip, one_array, Path.touch, Path.mkdir, lambda path: path.write_text("x,y\n")],
)
def test_a_file_that_is_no_npz_is_refused_in_a_sentence(tmp_path, make):
    make(tmp_path / "toys.npz")
    with pytest.raises(UsageError, match=r"toys\.npz"):
        load(source(tmp_path / "toys.npz"))


def test_nothing_in_an_npz_file_is_ever_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    np.savez(tmp_path / "toys.npz", x=np.array([Trap()], object), y=Y, allow_pickle=True)
    with pytest.raises(UsageError, match="can be read"):
        load(source(tmp_path / "toys.npz"))
    assert not (tmp_path / "sprung").exists()


def test_a_test_part_of_other_columns_is_refused(tmp_path):
    written(tmp_path / "toys_train.npz", x=X, y=Y)
    written(tmp_path / "toys_test.npz", x=X[:, 0], y=Y)
    with pytest.raises(UsageError, match="other columns"):
        load(source(tmp_path / "toys_train.npz"))


# --- a function of one's own


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes somebody's file into the working folder; the name of the function `rows` in it."""
    monkeypatch.chdir(tmp_path)

    def write(returned):
        module = f"their_rows_{abs(hash(returned))}"
        head = "import numpy as np\nimport pandas as pd\nX, Y = np.ones((4, 2)), [0, 1, 0, 1]\n"
        (tmp_path / f"{module}.py").write_text(f"{head}def rows():\n    return {returned}\n")
        return f"{module}:rows"

    return write


def test_a_function_of_ones_own_returns_a_table(own):
    data = load(source(own("pd.DataFrame({'a': [1, 2], 'y': ['u', 'v']}, index=[7, 8])"), "y"))
    assert data.frame.to_dict("list") == {"a": [1, 2], "y": ["u", "v"]}
    assert list(data.frame.index) == [0, 1]


def test_a_function_of_ones_own_returns_arrays_with_a_test_part_or_without(own):
    assert load(source(own("(X, Y)"))).test is None
    assert len(load(source(own("(X, Y, X[:3], Y[:3])"))).test) == 3


@pytest.mark.parametrize(
    ("returned", "label", "sentence"),
    [
        ("1 / 0", None, "cannot be called without arguments: ZeroDivisionError"),
        ("'rows'", None, "returns str"),
        ("(X, Y, X)", None, "returns tuple"),
        ("(X, Y)", "y", "returns arrays, which have no columns"),
        ("(X, Y[:2])", None, "x has the shape"),
        ("(X, Y, X[:, :1], Y)", None, "other columns"),
        ("pd.DataFrame({'a': [1], 'y': ['u']})", None, "Which column of .* is to be predicted"),
        ("pd.DataFrame({'a': [1], 'y': ['u']})", "z", "no column 'z'"),
        ("pd.DataFrame({'a': [None, 1], 'y': ['u', 'v']})", "y", "has missing values, in row 1"),
        ("pd.DataFrame(columns=['a', 'y'])", "y", "There are no rows"),
        ("pd.DataFrame([[1, 2, 3]], columns=['a', 'a', 'y'])", "y", "more than one column called a"),
    ],
)
def test_what_is_wrong_with_a_function_of_ones_own_is_a_sentence(own, returned, label, sentence):
    name = own(returned)
    with pytest.raises(UsageError, match=sentence):
        load(source(name, label))


def test_columns_that_pandas_numbers_have_their_number_as_a_name(own):
    data = load(source(own("pd.DataFrame([[1, 'u'], [2, 'v']])"), "1"))
    assert list(data.frame.columns) == ["0", "1"]


def test_a_path_with_a_colon_is_no_code(tmp_path):
    path = tmp_path / "a:b.csv"
    path.write_text("a,y\n1,u\n")
    assert isinstance(load(source(path, "y")).frame, pd.DataFrame)
