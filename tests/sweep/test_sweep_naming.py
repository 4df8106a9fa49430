"""Names of cells are names of folders."""

import re

from hypothesis import given
from hypothesis import strategies as st

from experiments.sweep.naming import labels

VALUES = st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.lists(st.integers())


@given(st.lists(st.tuples(VALUES, VALUES), unique_by=repr, max_size=8))
def test_every_name_is_one_of_a_kind_even_without_case_and_fits_a_folder(rows):
    names = labels(["some.setting", "other"], rows)
    assert len({name.lower() for name in names}) == len(rows)
    assert all(re.fullmatch(r"[A-Za-z0-9_.,=+-]{1,200}", name) for name in names)


def test_keys_are_short_where_that_says_enough():
    assert labels(["data.alpha", "rule.name", "model.name"], [(0.5, "Krum", "mlp")]) == [
        "alpha=0.5,rule.name=Krum,model.name=mlp"
    ]


def test_a_name_does_not_change_when_other_cells_come_and_go():
    first, second = labels(["model.hidden"], [([16, 8],), ([32],)])
    assert (first, second) == ("hidden=16-8", "hidden=32")
    assert labels(["model.hidden"], [([32],)]) == [second]
