"""Reads a run's configuration from a preset or a file, with changes; what is wrong becomes one sentence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from experiments.arrays import train_file
from experiments.config import RunConfig
from experiments.learning_config import DataConfig
from fl.errors import UsageError

_BARE_TEXT = re.compile(r"[A-Za-z_./~][^\"'\[\]{}#=\n]*")
_NEEDS = "needs"  # what a preset says in place of data.source
_NEEDED = {
    "int_type": "a whole number is needed",
    "float_type": "a number is needed",
    "string_type": "a text is needed",
    "tuple_type": "a list is needed",
    "model_type": "it is a section of settings, not one value",
    "dict_type": "it is a section of settings, not one value",
    "string_too_short": "it may not be empty",
    "string_too_long": "it is too long",
    "too_short": "it may not be empty",
    "too_long": "it is too long",
}
_PATTERNS = {
    "name": "use small letters, digits, '-' and '_', 64 at most",
    "money.reward": 'write tokens as a decimal text such as "100" or "0.5"',
}

Flags = Mapping[str, object]
"""Settings by dotted key; None means not given."""


def load(source: str = "hospitals", overrides: Sequence[str] = (), flags: Flags | None = None) -> RunConfig:
    """A preset by name or a TOML file, then `flags`, then `overrides` such as "training.epochs=3".

    Raises UsageError with a sentence for whatever is not a possible run.
    """
    values = _read_file(Path(source)) if _is_path(source) else _read_preset(source)
    needed = values.pop(_NEEDS, "") if not _is_path(source) else ""
    for key, value in (flags or {}).items():
        if value is not None:
            _put(values, key, value)
    for text in overrides:
        _put(values, *_parse(text))
    if needed and not (isinstance(values.get("data"), dict) and "source" in values["data"]):
        raise UsageError(f"The preset {source} has no data of its own.", needed)
    _open_folder(values)
    return _with_absolute_source(_validate(values), Path())


def read(file: Path) -> RunConfig:
    """The configuration that a run saved. Its data need not be there any more.

    Raises UsageError for one that was cut or changed: a missing setting must not become its default.
    """
    config = _validate(_read_toml(file))
    if file.read_bytes() != config.to_toml().encode():
        raise UsageError(
            f"{file} is not as `fl run` wrote it: it was cut or changed.",
            f"A run goes on with the configuration that it began with. To begin another: fl run {file}.",
        )
    return config


def presets() -> list[str]:
    """Names of the configurations that ship with the package."""
    return sorted(Path(entry.name).stem for entry in files("experiments").joinpath("presets").iterdir())


def brings_data(source: str) -> bool:
    """Whether a preset has rows of its own, so that other ones make another run of it."""
    return not _is_path(source) and _NEEDS not in _read_preset(source)


def about_file(data: Path, label: str | None) -> dict[str, str]:
    """Settings that say what a run over somebody's own file is, in place of a preset's."""
    name = re.sub(r"[^a-z0-9]+", "-", data.stem.lower()).strip("-")[:64].strip("-")
    purpose = f"Learn to predict {label or 'the class'} from the rows of {data.name}."
    return {"name": name or "data", "purpose": purpose, "site": "site"}


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings of nested tables by dotted key."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


# --- reading


def _is_path(source: str) -> bool:
    return source.endswith(".toml") or "/" in source or "\\" in source


def _read_preset(name: str) -> dict[str, Any]:
    if name not in presets():
        known = ", ".join(presets())
        file = f"Write {name}.toml to mean a file." if Path(f"{name}.toml").is_file() else ""
        hint = file or _closest(name, presets()) or f"There are: {known}."
        raise UsageError(f"There is no preset {name!r}.", hint)
    return tomllib.loads(files("experiments").joinpath("presets", f"{name}.toml").read_text("utf-8"))


def _read_file(file: Path) -> dict[str, Any]:
    values = _read_toml(file)
    data = values.get("data")
    if isinstance(data, dict) and isinstance(data.get("source"), str):
        data["source"] = _absolute(data["source"], file.parent)
    return values


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except IsADirectoryError as error:
        raise UsageError(
            f"{file} is a folder.", f"To go on with the run in it: fl run --resume {file}."
        ) from error
    except OSError as error:
        hint = f"Give a file that exists, or a preset: {', '.join(presets())}."
        raise UsageError(f"{file} cannot be read: {error.strerror}.", hint) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not a text file in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not valid TOML: {error}.") from error


def _absolute(source: str, folder: Path) -> str:
    """A file's own relative paths start at that file; what is installed or somebody's code has no path."""
    return str((folder / located(source)).resolve()) if _is_file(source) else source


def _is_file(source: str) -> bool:
    return DataConfig.model_construct(source=source).is_file


def located(source: str) -> Path:
    """The path that a source is. Raises UsageError for one that cannot be."""
    try:
        path = Path(source).expanduser()
        path.resolve()
    except (RuntimeError, ValueError) as error:  # nobody's home; a character that no path has
        raise UsageError(f"data.source = {source!r:.100} is no path: {error}.") from error
    return path


def _open_folder(values: dict[str, Any]) -> None:
    """A folder of arrays means the file in it with the rows to train on."""
    data = values.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    if isinstance(source, str) and _is_file(source) and (folder := located(source)).is_dir():
        values["data"]["source"] = str(train_file(folder))


def _with_absolute_source(config: RunConfig, folder: Path) -> RunConfig:
    if not config.data.is_file:
        return config
    source = _absolute(config.data.source, folder)
    if not Path(source).is_file():
        raise UsageError(
            f"There is no data file {source}.",
            "Give a CSV file with a header line, or an .npz file: --data FILE.",
        )
    return config.model_copy(update={"data": config.data.model_copy(update={"source": source})})


# --- changing


def _parse(text: str) -> tuple[str, object]:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise UsageError(
            f"{text!r} does not say what to set.", "Write --set KEY=VALUE: --set training.epochs=3."
        )
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError as error:
        if _BARE_TEXT.fullmatch(value):
            return key, value
        raise UsageError(f"{value!r} is not a value for {key}.", _VALUES_HINT) from error
    if parsed.keys() != {"value"}:
        raise UsageError(f"{value!r} is not a value for {key}.", _VALUES_HINT)
    return key, parsed["value"]


_VALUES_HINT = 'Write a TOML value: a number, true, "text" or [1, 2].'


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *sections, last = key.split(".")
    for depth, section in enumerate(sections, start=1):
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise UsageError(f"{'.'.join(sections[:depth])} holds one value, so {key} cannot be set.")
    values[last] = value


# --- what is wrong, in a sentence


def _validate(values: dict[str, Any]) -> RunConfig:
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise _explained(error) from error


def _explained(error: ValidationError) -> UsageError:
    detail = error.errors(include_url=False)[0]
    key, kind, value = ".".join(map(str, detail["loc"])), detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return UsageError(f"There is no setting {key}.", _closest_key(key))
    reason = _NEEDED.get(kind) or detail["msg"].removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        reason = _PATTERNS[key]
    if kind == "literal_error":
        reason = f"choose one of {detail['ctx']['expected'].replace(' or ', ', ')}"
    return UsageError(f"{key} cannot be {_shown(value)}: {reason}.")


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _closest_key(key: str) -> str:
    known = list(_keys(RunConfig))
    namesakes = [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]]
    section = [name for name in known if name.rpartition(".")[0] == key.rpartition(".")[0]]
    there_are = f"There are: {', '.join(section)}." if section else ""
    return (f"Do you mean {namesakes[0]}?" if namesakes else "") or _closest(key, known) or there_are


def _closest(word: str, known: Sequence[str]) -> str:
    matches = get_close_matches(word, known, n=1)
    return f"Do you mean {matches[0]}?" if matches else ""


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name
