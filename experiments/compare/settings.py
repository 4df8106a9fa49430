"""What two runs were told differently, in few words."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from experiments.config import RunConfig
from experiments.misbehaviour import KINDS, Misbehaviour

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
    return [key for key in told[0] if _differs(key, told)]


def labels(told: Sequence[Settings], varied: Sequence[Settings] = ()) -> list[str]:
    """A label for each of some different settings: what differs among them, and nothing else.

    `varied` is what a sweep says of each in its own words, empty for what is no cell of one; these words are
    taken where they tell all apart.
    """
    found = plain = _labels(told, differing(told))
    if cells := [number for number, own in enumerate(varied) if own]:
        own = [varied[number] for number in cells]
        columns = list(dict.fromkeys(column for one in own for column in one))
        named = _labels(own, [column for column in columns if _differs(column, own)] or columns, told[0])
        called = dict(zip(cells, named, strict=True))
        found = [called.get(number, label) for number, label in enumerate(plain)]
    return found if len(set(found)) == len(found) else plain


def _differs(key: str, told: Sequence[Settings]) -> bool:
    return len({identity({key: one.get(key)}) for one in told}) > 1


def _labels(told: Sequence[Settings], keys: Sequence[str], known: Iterable[str] = ()) -> list[str]:
    """Some keys of each with their values; `known` are keys that no short name may be taken for."""
    shown = [{key: _shown(key, one[key]) for key in keys if key in one} for one in told]
    for key in keys:  # two files of one name
        if len({one.get(key) for one in shown}) < len({identity({key: one.get(key)}) for one in told}):
            for one, texts in zip(told, shown, strict=True):
                if key in one:
                    texts[key] = str(one[key])
    names = _short(keys, {*told[0], *known, *keys})
    return [", ".join(f"{names[key]}={text}" for key, text in one.items()) for one in shown]


def _flat(section: BaseModel, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Settings by the sections that every configuration has; what is free in form stays whole."""
    for name, field in type(section).model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _flat(getattr(section, name), f"{prefix}{name}.")
        else:
            yield prefix + name, section.model_dump(mode="json", include={name})[name]


def _short(keys: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Keys without their sections, where that is clear: `alpha`, and `rule` for `rule.name`."""
    sections = {key.partition(".")[0] for key in known if "." in key}
    lasts = [key.rpartition(".")[2] for key in known]
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
            rest = _shown(key, _changed(value))
            text = value["name"] if rest == _NOTHING else f"{value['name']}({rest})"
        case dict():
            text = " ".join(f"{name}:{_shown(key, one)}" for name, one in value.items())
        case list():
            text = "-".join(_shown(key, one) for one in value)
        case str() if key == "data.source":
            text = PurePath(value).name
    return _NOTHING if text in ("", "None") else text


def _changed(misbehaviour: Mapping[str, Any]) -> dict[str, Any]:
    """A misbehaviour's settings that are not as they always are; somebody's own has no such defaults."""
    kind = KINDS.get(misbehaviour["name"], Misbehaviour)
    usual = {key: one.default for key, one in kind.model_fields.items()} | {"name": misbehaviour["name"]}
    return {key: value for key, value in misbehaviour.items() if key not in usual or value != usual[key]}
