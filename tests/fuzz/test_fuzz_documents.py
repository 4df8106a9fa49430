"""Documents from whoever: nothing but DocumentError comes out, and what is read has one spelling."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hostile import json_mutations, mutations, refused_or_same
from hypothesis import given
from hypothesis import strategies as st
from profiles import effort
from samples import SAMPLES, TERMS

from fl import agreement
from fl.canonical import decode_settings, dump, load
from fl.documents import Announcement, Part, Reference, Terms
from fl.errors import DocumentError

every_document = pytest.mark.parametrize("document", SAMPLES, ids=lambda sample: sample.type)
WRITTEN = [sample.encode() for sample in SAMPLES]


@effort(200, 2_000)
@given(st.binary(max_size=200) | mutations(*WRITTEN))
def test_bytes_are_refused_or_are_the_one_spelling_of_a_json_value(data):
    refused_or_same(load, dump, data)


@every_document
@effort(60, 2_000)
@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_as_a_document(document, data):
    with pytest.raises(DocumentError):
        type(document).decode(data)


@every_document
@effort(100, 2_000)
@given(draw=st.data())
def test_a_document_that_was_tampered_with_is_refused_or_says_exactly_its_bytes(document, draw):
    refused_or_same(type(document).decode, asked, draw.draw(mutations(document.encode())))


@every_document
@effort(150, 2_000)
@given(draw=st.data())
def test_any_value_in_any_place_is_refused_or_read_as_it_is(document, draw):
    value = draw.draw(json_mutations(document.encode()))
    try:
        data = dump(value)
    except DocumentError:  # a lone surrogate was drawn
        return
    refused_or_same(type(document).decode, asked, data)


def asked(document):
    """Ask a document that was read what is asked of it later, too; its bytes."""
    for reference in references(document):
        with suppress(DocumentError):
            reference.parsed()
    if isinstance(document, Terms):
        assert 0 < document.weights_sizes.start < 2**53
        assert len(document.order) == len(document.tensors)
        decode_settings(document.training)
        assert all(map(str.isprintable, agreement.terms_and_scoring(document)))
    if isinstance(document, Announcement):
        decode_settings(document.settings)
        differences = agreement.settings_and_terms(document.settings, TERMS)
        assert all(isinstance(difference, str) for difference in differences)
    return document.encode()


def references(part):
    found = [getattr(part, name) for name in type(part).model_fields]
    yield from (value for value in found if isinstance(value, Reference))
    for value in found:
        if isinstance(value, Part):
            yield from references(value)
