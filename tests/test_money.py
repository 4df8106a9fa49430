"""Tokens and their smallest units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.errors import UsageError
from fl.money import amount, plain, tokens, units


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


@given(st.integers(0, 2**128 - 1))
def test_the_plain_spelling_is_typed_back_exactly_and_has_no_digit_too_many(sum_: int) -> None:
    text = plain(sum_)
    assert units(text) == sum_
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", ".5", "1.", "1,000", "1.0000000000000000000", "\u0661", "NaN"]
)
def test_only_plain_decimals_are_amounts(text: str) -> None:
    with pytest.raises(UsageError, match="no amount of tokens"):
        amount(text)


def test_nothing_is_shown_as_zero() -> None:
    assert (plain(0), tokens(0, 18), amount("0")) == ("0", "0.000000000000000000", 0)
