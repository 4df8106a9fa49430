"""What two runs were told differently, in few words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from experiments.config import RunConfig

Settings = Mapping[str, Any]
"""By dotted key, as `--set` takes them."""

_IDLE = frozenset({"name", "purpose", "site", "seed", "workers", "baselines"})
"""What a run is called, and what changes no result but by chance."""
_NOTHING = "none"


def settings(config: RunConfig) -> dict[str, Any]:
    """What a run's result depends on, but for its seed."""
    return {key: value for key, value in _flat(config) if key not in _IDLE}


def identity(told: Settings) -> str:
    """One text for runs of the same settings."""
    return json.dumps(told, sort_keys=True, default=str)


def differing(told: Sequence[Settings]) -> list[str]:
    """Keys whose values are not all the same."""
    return [key for key in told[0] if len({identity({key: one[key]}) for one in told}) > 1]


def labels(told: Sequence[Settings]) -> list[str]:
    """A label for each of some different settings: what differs among them, and nothing else."""
    keys = differing(told)
    shown = [{key: _shown(key, one[key]) for key in keys} for one in told]
    for key in keys:  # two files of one name
        if len({one[key] for one in shown}) < len({identity({key: one[key]}) for one in told}):
            for one, texts in zip(told, shown, strict=True):
                texts[key] = str(one[key])
    names = _short(keys, told[0])
    return [", ".join(f"{names[key]}={text}" for key, text in one.items()) for one in shown]


def _flat(section: BaseModel, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Settings by the sections that every configuration has; what is free in form stays whole."""
    for name, field in type(section).model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _flat(getattr(section, name), f"{prefix}{name}.")
        else:
            yield prefix + name, section.model_dump(mode="json", include={name})[name]


def _short(keys: Iterable[str], told: Settings) -> dict[str, str]:
    """Keys without their sections, where that is clear: `alpha`, and `rule` for `rule.name`."""
    sections = {key.partition(".")[0] for key in told if "." in key}
    lasts = [key.rpartition(".")[2] for key in told]
    names = {}
    for key in keys:
        section, _, last = key.rpartition(".")
        alone = last not in sections and lasts.count(last) == 1
        names[key] = section if last == "name" else last if alone else key
    return names


def _shown(key: str, value: object) -> str:
    text = str(value)
    match value:
        case bool():
            text = text.lower()
        case float():
            text = f"{value:.6g}"
        case dict() if "name" in value:
            rest = _shown(key, {name: one for name, one in value.items() if name != "name"})
            text = value["name"] if rest == _NOTHING else f"{value['name']}({rest})"
        case dict():
            text = " ".join(f"{name}:{_shown(key, one)}" for name, one in value.items())
        case list():
            text = "-".join(_shown(key, one) for one in value)
        case str() if key == "data.source":
            text = PurePath(value).name
    return _NOTHING if text in ("", "None") else text
