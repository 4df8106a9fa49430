"""What is asked of terms before a task is created with them."""

import json

import numpy as np
import pytest
from agreed import tensor, terms_of

from aggregator.founding.creating import check, read_terms
from fl import weights
from fl.documents import Reference
from fl.errors import StoreUnavailable, UsageError
from fl.store.layout import cid_of
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes

BASE = {"layer": np.zeros((2, 3), np.float32)}


@pytest.fixture
def store():
    made = MemoryStore()
    put_bytes(made, weights.encode(BASE))
    return made


def refusal(terms, store):
    with pytest.raises(UsageError) as error:
        check(terms, store)
    return error.value.message


def test_terms_whose_weights_are_in_the_store_will_do(store):
    check(terms_of(BASE), store)


def test_a_rule_of_somebodys_own_is_known_at_their_aggregator_only(store):
    check(terms_of(BASE, rule={"name": "my_app.rules:Mine", "arguments": {}}), store)
    assert "NoSuchRule" in refusal(terms_of(BASE, rule={"name": "NoSuchRule", "arguments": {}}), store)


def test_weights_have_to_be_the_listed_tensors(store):
    for wrong in (
        tensor("layer", np.zeros((3, 2), np.float32)),
        tensor("layer", np.zeros((2, 3), np.uint32)),
    ):
        assert "other types or shapes" in refusal(terms_of(BASE, tensors=(wrong,)), store)
    renamed = tensor("other", BASE["layer"])
    assert "are not those of the terms" in refusal(terms_of(BASE, tensors=(renamed,)), store)


def test_weights_have_to_be_finite(store):
    base = {"layer": np.full((2, 3), np.inf, np.float32)}
    put_bytes(store, weights.encode(base))
    assert "not finite" in refusal(terms_of(base), store)


def test_weights_have_to_be_those_that_the_terms_name(store):
    data = weights.encode(BASE)
    lie = Reference.of(cid_of(data), data).model_dump() | {"sha256": "00" * 32}
    assert "are not those that the terms name" in refusal(terms_of(BASE, weights=lie), store)


def test_a_reference_that_nobody_can_follow_is_refused(store):
    data = weights.encode(BASE)
    lie = Reference.of(cid_of(data), data).model_dump() | {"cid": "../etc"}
    assert "cannot be had" in refusal(terms_of(BASE, weights=lie), store)


def test_weights_that_are_absent_or_larger_than_the_tensors_are_refused():
    assert "cannot be had" in refusal(terms_of(BASE), MemoryStore())
    huge = {"cid": "c", "sha256": "00" * 32, "size": 2**50}
    assert "which these terms do not allow" in refusal(terms_of(BASE, weights=huge), MemoryStore())


def test_shares_by_utility_need_a_model_and_a_validation_set(store):
    scoring = {"rule": "shapley", "utility": "auc", "budget": 8, "validation": None}
    assert "give no model" in refusal(terms_of(BASE, scoring=scoring), store)


def test_a_store_that_does_not_answer_says_nothing_about_the_terms():
    class Away(MemoryStore):
        def open(self, cid, limit):
            raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        check(terms_of(BASE), Away())


def test_terms_are_read_in_any_spelling_of_json(tmp_path):
    terms = terms_of(BASE)
    file = tmp_path / "terms.json"
    for data in (terms.encode(), json.dumps(terms.model_dump(mode="json"), indent=2).encode() + b"\n"):
        file.write_bytes(data)
        assert read_terms(file) == terms
