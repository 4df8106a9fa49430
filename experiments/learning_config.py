"""Settings of what is learned: the rows, the model, and how a site trains it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from experiments.fields import Section, between, one_of
from fl.errors import UsageError
from fl.own import is_own

INSTALLED = ("breast_cancer", "digits")
"""Data sets that come with scikit-learn."""
PARTITIONS = ("iid", "dirichlet", "sizes", "shards", "column")
MODELS = ("logistic", "mlp", "cnn")


def _setting(value: object) -> object:
    values = value if isinstance(value, list | tuple) else [value]
    if any(type(one) not in (bool, int, float, str) for one in values):
        raise ValueError("a number, true or false, a text, or a list of them is needed")
    return tuple(values) if isinstance(value, list | tuple) else value


def _shape(value: tuple[int, ...]) -> tuple[int, ...]:
    if len(value) != 3:
        raise ValueError("three numbers are needed: channels, height and width")
    return value


Count = Annotated[int, between(1, 10_000)]
Width = Annotated[int, between(1, 4096)]
Side = Annotated[int, between(1, 512)]
Channels = Annotated[int, between(1, 256)]
Rate = Annotated[float, between(1e-9, 100)]
Fraction = Annotated[float, between(0, 0.9)]
Text = Annotated[str, Field(min_length=1)]
Columns = Annotated[tuple[Text, ...], Field(strict=False)]


class DataConfig(Section):
    """Where rows come from and who gets which.

    `source` is a set that comes with scikit-learn, a CSV file with its `label` column, an `.npz` file with
    the arrays x and y, a folder with a pair NAME_train.npz and NAME_test.npz, or a function of one's own.
    `test` and `validation` are fractions of the rows that no trainer sees; a `test` of 0 means the set's own
    test part, and a `validation` of 0 none.
    Numbers are centred and scaled by what is measured on the validation rows, or by `center` and `scale`.
    Columns in `categories` are codes although they look like numbers; those in `leave_out` are no inputs.
    `partition` says who gets which rows: see `experiments.partition` for `alpha`, `shards` and `column`.
    """

    source: Text = "breast_cancer"
    label: Text | None = None
    test: Fraction = 0.2
    validation: Fraction = 0.2
    center: Annotated[float, between(-1e9, 1e9)] = 0.0
    scale: Annotated[float, between(1e-9, 1e9)] | None = None
    categories: Columns = ()
    leave_out: Columns = ()
    partition: Annotated[str, one_of(PARTITIONS)] = "iid"
    alpha: Annotated[float, between(0.001, 1000)] = 0.5
    shards: Annotated[int, between(1, 1000)] = 2
    column: Text | None = None

    @property
    def is_own(self) -> bool:
        """Whether the rows come from somebody's own function; a path with a colon is written ./a:b.csv."""
        return is_own(self.source) and "/" not in self.source

    @property
    def is_file(self) -> bool:
        """Whether the rows come from a file."""
        return self.source not in INSTALLED and not self.is_own

    @property
    def is_arrays(self) -> bool:
        """Whether the rows come from a file of numpy arrays."""
        return self.is_file and self.source.endswith(".npz")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.test + self.validation > 0.9:
            raise UsageError(
                f"data.test = {self.test} and data.validation = {self.validation} leave too few to train on.",
                "Together they may take 0.9 of the rows at most.",
            )
        if self.is_file and not self.is_arrays and self.label is None:
            raise UsageError(
                f"Which column of {self.source} is to be predicted?",
                "Name it: --label COLUMN, or data.label.",
            )
        if (not self.is_file or self.is_arrays) and not self.is_own and self.label is not None:
            raise UsageError(
                f"data.label names a column of a CSV file, and {self.source} is none.",
                "Name the file too: --data FILE, or data.source.",
            )
        if self.center and self.scale is None:
            raise UsageError(
                f"data.center = {self.center} needs data.scale, which numbers are divided by afterwards.",
                "Set data.scale too, or neither: then both are measured on the validation rows.",
            )
        if (self.partition == "column") != (self.column is not None):
            raise UsageError(
                'data.partition = "column" and data.column go together.',
                "Set both, or neither: --set data.partition=column --set data.column=ward.",
            )
        return self


class ModelConfig(Section):
    """Which model: an installed one, or a function of one's own as `module:attribute` with its `settings`.

    `hidden` are the widths of an MLP's hidden layers, or of a CNN's last ones, and `dropout` is what part of
    them is dropped in training. A CNN sees each row as an `image` of (channels, height, width), and has a
    convolution with so many filters of side `kernel` for each of its `channels`.
    """

    name: Annotated[str, one_of(MODELS)] = "mlp"
    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=16)] = (16,)
    dropout: Annotated[float, between(0, 0.95)] = 0.0
    image: Annotated[tuple[Side, ...], Field(strict=False), AfterValidator(_shape)] | None = None
    channels: Annotated[tuple[Channels, ...], Field(strict=False, min_length=1, max_length=4)] = (8, 16)
    kernel: Literal[1, 3, 5, 7] = 3
    settings: dict[str, Annotated[Any, AfterValidator(_setting)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.name == "cnn" and self.image is None:
            raise UsageError(
                "A cnn has to know the shape of a row as an image.",
                "Set model.image: channels, height and width, such as [1, 28, 28].",
            )
        if self.settings and not is_own(self.name):
            raise UsageError(
                f"model.settings are for a model of one's own, and {self.name} is installed.",
                "Its settings stand beside its name: model.hidden, model.dropout, model.channels.",
            )
        return self


class TrainingConfig(Section):
    """What a site does with its rows in one round: epochs of SGD over mini-batches."""

    epochs: Count = 2
    batch_size: Annotated[int, between(1, 1_000_000)] = 16
    learning_rate: Rate = 0.05
    momentum: Annotated[float, between(0, 0.999)] = 0.9
    weight_decay: Annotated[float, between(0, 1)] = 0.0
