"""Terms in words: nothing that an institution consents to is left unsaid."""

import pytest
from samples import TERMS

from fl.canonical import encode_settings
from fl.documents import Terms
from fl.explaining import lines, show

OTHER = {
    "purpose": "Another purpose.",
    "model": None,
    "data": None,
    "code": "cd" * 32,
    "weights": {"cid": "elsewhere", "sha256": "cd" * 32, "size": 7},
    "training": encode_settings({"epochs": 3}),
    "adjustable": ({"name": "rate", "low": "float:0.001", "high": "float:0.1"},),
    "rule": {"name": "FedAvgM", "arguments": {"server_momentum": "float:0.9"}},
    "metrics": (),
    "scoring": {"rule": "equal", "utility": "auc", "budget": 8, "validation": None},
    "guard": "best",
    "limits": {"element": "float:10.000001", "norm": "float:100.0", "examples": 100_000},
    "tolerance": 9,
    "minimum_gain": 1001,
    "privacy": None,
    "reward": "1000000000000000001",
    "quorum": 4,
    "window": 601,
    "close_window": 301,
    "settle_delay": 1,
}


def words(terms, capsys):
    """All that is shown but the digest, which differs anyhow."""
    show(terms)
    return capsys.readouterr().out.replace(terms.id.hex(), "")


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")


@pytest.mark.parametrize("field", OTHER)
def test_terms_that_differ_in_anything_are_told_apart_by_what_is_shown(field, capsys):
    usual = Terms.model_validate(TERMS.model_dump())
    other = Terms.model_validate({**TERMS.model_dump(), field: OTHER[field]})
    assert usual != other
    assert words(usual, capsys) != words(other, capsys)


@pytest.mark.parametrize("field", ["rule", "utility", "budget"])
@pytest.mark.parametrize("rule", ["shapley", "gtg", "leave_one_out", "equal", "examples"])
def test_how_values_come_about_is_said_wherever_a_guard_goes_by_them(rule, field, capsys):
    other = {"rule": "gtg" if rule == "shapley" else "shapley", "utility": "auc", "budget": 77}[field]
    said = {"rule": rule, "utility": "log_loss", "budget": 1024, "validation": None}
    one, two = (
        Terms.model_validate({**TERMS.model_dump(), "guard": "best", "scoring": scoring})
        for scoring in (said, {**said, field: other})
    )
    assert words(one, capsys) != words(two, capsys)


def test_every_field_that_can_differ_is_tried():
    fixed = {"type", "version", "recipients", "tensors"}  # tensors are tried below
    assert set(OTHER) | fixed == set(Terms.model_fields)


@pytest.mark.parametrize(
    "changes",
    [{"name": "other"}, {"dtype": "F64"}, {"shape": (3, 2)}, {"low": "float:0.5"}, {"high": "float:0.5"}],
    ids=lambda changes: next(iter(changes)),
)
def test_tensors_are_shown_with_type_shape_and_bounds(changes, capsys):
    said = TERMS.model_dump()
    first, *others = said["tensors"]
    other = Terms.model_validate({**said, "tensors": ({**first, **changes}, *others)})
    assert words(TERMS, capsys) != words(other, capsys)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"kind": "boolean"},
        {"center": "float:1.25"},
        {"scale": "float:1.25"},
        {"categories": ("a",)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_columns_are_shown_with_what_turns_them_into_numbers(changes, capsys):
    said = TERMS.model_dump()
    first, *others = said["data"]["columns"]
    data = {**said["data"], "columns": ({**first, **changes}, *others)}
    other = Terms.model_validate({**said, "data": data})
    assert words(TERMS, capsys) != words(other, capsys)


def test_a_rate_is_shown_with_all_its_digits():
    terms = Terms.model_validate({**TERMS.model_dump(), "training": {"rate": "float:0.012345678901234567"}})
    assert dict(lines(terms))["training"] == "rate 0.012345678901234567"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (60, "1 minute"),
        (5400, "1 hour 30 minutes"),
        (90_061, "1 day 1 hour 1 minute 1 second"),
    ],
)
def test_windows_are_shown_in_words(seconds, said):
    terms = Terms.model_validate({**TERMS.model_dump(), "window": seconds})
    assert dict(lines(terms))["a round lasts"].startswith(f"{said} for updates")


def test_what_others_wrote_cannot_write_to_the_terminal(capsys):
    terms = Terms.model_validate({**TERMS.model_dump(), "purpose": "\x1b[2J[red]gone[/]"})
    shown = words(terms, capsys)
    assert "\x1b" not in shown
    assert "[red]gone[/]" in shown
