"""Tokens and their smallest units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.money import tokens, units


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("100", 10**20),
        ("0.5", 5 * 10**17),
        ("0.000000000000000001", 1),
        ("999999999999", 999999999999 * 10**18),
    ],
)
def test_tokens_are_read_exactly(text: str, amount: int) -> None:
    assert units(text) == amount


@given(st.integers(0, 2**128 - 1))
def test_every_amount_is_shown_exactly_with_all_its_places(amount: int) -> None:
    assert units(tokens(amount, 18).replace(",", "")) == amount


@given(st.integers(0, 2**128 - 1))
def test_fewer_places_never_show_more_than_there_is(amount: int) -> None:
    shown = units(tokens(amount).replace(",", ""))
    assert shown <= amount < shown + 10**16
