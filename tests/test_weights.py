import hashlib
import json
import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save

from fl.errors import WeightsError
from fl.weights import (
    DTYPES,
    all_finite,
    cast_like,
    decode,
    difference_norm,
    digest,
    encode,
    header,
    largest_difference,
    same_header,
    within,
)

MIB = 1 << 20
INTEGERS = [name for name in DTYPES if name[0] in "IU"]
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
arrays = st.sampled_from(list(DTYPES.values())).flatmap(lambda dtype: hnp.arrays(dtype, shapes))
named = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda s: s != "__metadata__"), arrays, max_size=4
)


def most_held(action):
    """What `action` gives, and the most memory that it held at once."""
    tracemalloc.start()
    try:
        return action(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def raw(entries, body=b""):
    """A weights file with a header of one's own making."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


# --- bytes


@given(named)
def test_arrays_come_back_from_their_bytes_in_the_order_asked_for(state):
    order = list(state)[::-1]
    found = decode(encode(state), order)
    assert list(found) == order
    for name, array in state.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


@given(named)
def test_equal_arrays_give_equal_bytes_whatever_their_order(state):
    assert encode(dict(reversed(state.items()))) == encode(state)


def test_memory_layout_and_byte_order_do_not_show_in_the_bytes():
    plain = np.arange(6, dtype=np.float32).reshape(2, 3)
    for other in (np.asfortranarray(plain), plain[::-1][::-1], plain.T.copy().T, plain.astype(">f4")):
        assert encode({"a": other}) == encode({"a": plain})


def test_a_scalar_stays_a_scalar():
    assert decode(encode({"n": np.array(7)}), ["n"])["n"].shape == ()


def test_the_bytes_are_safetensors_without_metadata():
    data = encode({"a": np.array([1.0], np.float32)})
    size = struct.unpack("<Q", data[:8])[0]
    assert json.loads(data[8 : 8 + size]) == {"a": entry()}
    assert data[8 + size :] == struct.pack("<f", 1.0)


@given(named)
def test_the_bytes_are_those_of_the_safetensors_library(state):
    assert encode(state) == save({name: np.asarray(array, order="C") for name, array in state.items()})


@given(named)
def test_decoded_arrays_are_read_only_views_on_the_file(state):
    data = encode(state)
    for array in decode(data, list(state)).values():
        assert array.flags.aligned
        assert not array.flags.writeable
        assert array.size == 0 or np.shares_memory(array, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("padding", range(8))
def test_a_header_of_any_length_gives_arrays_that_everybody_can_use(padding):
    text = json.dumps({"a": entry("F64", (2,), (0, 16))}).encode() + b" " * padding
    found = decode(raw(text, struct.pack("<2d", 1, 2)), ["a"])["a"]
    assert found.tolist() == [1, 2]
    assert found.flags.aligned
    assert not found.flags.writeable


@pytest.mark.parametrize("dtype", [np.complex64, object, "datetime64[s]", "U3"])
def test_a_dtype_that_terms_cannot_name_is_not_written(dtype):
    with pytest.raises(WeightsError, match="weights cannot hold"):
        encode({"a": np.zeros(2, dtype)})


def test_a_tensor_cannot_pose_as_metadata():
    with pytest.raises(WeightsError, match="__metadata__"):
        encode({"__metadata__": np.zeros(1)})


def test_the_digest_is_sha256_of_the_file():
    assert digest(b"abc") == hashlib.sha256(b"abc").digest()


def test_writing_and_reading_a_model_copies_it_once_and_not_at_all():
    model = {"a": np.ones(8 * MIB, np.float32), "b": np.ones((2, MIB), np.float16)}
    data, most = most_held(lambda: encode(model))
    assert len(data) <= most < len(data) + MIB
    _, most = most_held(lambda: decode(data, ["b", "a"]))
    assert most < MIB


# --- what is not weights


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        struct.pack("<Q", 1),
        struct.pack("<Q", 2**64 - 1) + b"{}",
        struct.pack("<Q", 2**20 + 1) + b" " * (2**20 + 1),
    ],
)
def test_a_header_that_cannot_be_is_refused(data):
    with pytest.raises(WeightsError):
        header(data)
    with pytest.raises(WeightsError):
        decode(data, ["a"])


@pytest.mark.parametrize(
    "data",
    [
        raw(b"\xff\xfe"),
        raw(b"[]"),
        raw(b"[" * 100_000),
        raw({"a": 3}, b"\0" * 4),
        raw({"a": {}}, b"\0" * 4),
        raw({"a": entry(dtype=["F32"])}, b"\0" * 4),
        raw({"a": entry(dtype="F8_E5M2")}, b"\0" * 4),
        raw({"a": entry(offsets=(0, 8))}, b"\0" * 8),
        raw({"a": entry(offsets=(4, 8))}, b"\0" * 8),
        raw({"a": entry(shape=(2**63, 2**63))}, b"\0" * 4),
        raw({"a": entry(shape=(0, 2**63), offsets=(0, 0))}),
        raw({"a": entry(shape=(-1,))}, b"\0" * 4),
        raw({"a": entry(shape=(-1, -1))}, b"\0" * 4),
        raw(json.dumps({"a": entry()}).replace("[0, ", "[-0, ").encode(), b"\0" * 4),
        raw({"a": entry(shape=(1.0,))}, b"\0" * 4),
        raw({"a": entry(shape=(True,))}, b"\0" * 4),
        raw({"a": entry(shape=(2**40, 2**40, 0), offsets=(0, 0))}),
        raw({"a": entry(shape=[1] * 65)}, b"\0" * 4),
        raw({"a": entry(offsets=(0, 4, 8))}, b"\0" * 8),
        raw({"a": entry(offsets=(4, 0))}, b"\0" * 4),
        raw({"a": {"dtype": "F32", "shape": [1]}}, b"\0" * 4),
        raw({"a": entry() | {"more": 1}}, b"\0" * 4),
        raw({"a": entry() | {"shape": {"0": 1}}}, b"\0" * 4),
        raw({"a": entry("BOOL", (2,), (0, 2))}, b"\1\2"),
        raw({"a": entry()}, b"\0" * 3),
        raw({"a": entry()}, b"\0" * 5),
        raw({"a": entry(), "__metadata__": {"format": "pt"}}, b"\0" * 4),
        raw(b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), b"\0" * 4),
    ],
)
def test_a_malformed_file_is_refused(data):
    with pytest.raises(WeightsError):
        decode(data, ["a"])


@pytest.mark.parametrize(
    "offsets", [((0, 4), (0, 4)), ((0, 4), (2, 6)), ((0, 4), (8, 12)), ((4, 8), (8, 12))]
)
def test_tensors_that_overlap_or_leave_bytes_out_are_refused(offsets):
    entries = {name: entry(offsets=own) for name, own in zip("ab", offsets, strict=True)}
    with pytest.raises(WeightsError, match="where the one before it ends"):
        decode(raw(entries, b"\0" * max(offsets)[1]), ["a", "b"])


def test_metadata_is_refused_even_where_it_looks_like_a_listed_tensor():
    data = raw({"a": entry(), "__metadata__": {"dtype": "F32"}}, b"\0" * 4)
    with pytest.raises(WeightsError, match="metadata"):
        decode(data, ["a", "__metadata__"])


def test_bfloat16_is_refused_with_a_sentence():
    with pytest.raises(WeightsError, match="'BF16'; weights hold BOOL"):
        decode(raw({"a": entry("BF16", offsets=(0, 2))}, b"\0\0"), ["a"])


@pytest.mark.parametrize("order", [[], ["a"], ["a", "c"], ["a", "b", "c"], ["a", "b", "b"], ["a", "a"]])
def test_other_names_than_the_terms_list_are_refused(order):
    with pytest.raises(WeightsError, match="other tensors"):
        decode(encode({"a": np.zeros(1), "b": np.zeros(1)}), order)


# --- comparing headers


def test_headers_are_compared_byte_for_byte_and_so_is_the_size():
    base = encode({"a": np.zeros(3, np.float32)})
    assert same_header(base, encode({"a": np.ones(3, np.float32)}))
    assert not same_header(base, base + b"\0")
    assert not same_header(base, base[:-1])
    assert not same_header(base, encode({"b": np.zeros(3, np.float32)}))
    assert not same_header(base, encode({"a": np.zeros(3, np.int32)}))
    assert not same_header(base, encode({"a": np.zeros((3, 1), np.float32)}))
    assert not same_header(base, b"\x80\x04" + b"\0" * (len(base) - 2))


# --- cast


def saturated(value, low, high):
    """Half to even, saturating, in Python's own integers."""
    return min(max(round(value), low), high)


@pytest.mark.parametrize("name", INTEGERS)
@given(data=st.data())
def test_floats_become_integers_half_to_even_and_saturating(name, data):
    dtype = DTYPES[name]
    info = np.iinfo(dtype)
    edges = st.sampled_from([info.min, info.max, info.min - 1, info.max + 1, 0.5, 1.5, 2.5, -0.5])
    values = data.draw(st.lists(edges | st.floats(allow_nan=False, allow_infinity=False), max_size=6))
    source = np.array(values, np.float64)
    cast = cast_like({"a": source}, {"a": np.zeros(len(values), dtype)})["a"]
    assert cast.dtype == dtype
    assert cast.tolist() == [saturated(value, int(info.min), int(info.max)) for value in source.tolist()]


@given(st.sampled_from([*INTEGERS, "BOOL"]), st.sampled_from(INTEGERS), st.data())
def test_integers_become_other_integers_saturating(source, target, data):
    array = data.draw(hnp.arrays(DTYPES[source], 4))
    info = np.iinfo(DTYPES[target])
    cast = cast_like({"a": array}, {"a": np.zeros(4, DTYPES[target])})["a"]
    assert cast.tolist() == [saturated(int(v), int(info.min), int(info.max)) for v in array.tolist()]


def test_a_boolean_is_an_integer_from_0_to_1():
    averages = np.array([-3.0, 0.0, 0.4, 0.5, 0.6, 1.0, 9.0])
    cast = cast_like({"a": averages}, {"a": np.zeros(7, np.bool_)})["a"]
    assert cast.tolist() == [False, False, False, False, True, True, True]


@given(hnp.arrays(np.float32, 5, elements=st.floats(width=32)))
def test_a_float32_array_survives_a_detour_through_float64(array):
    cast = cast_like({"a": array.astype(np.float64)}, {"a": array})["a"]
    assert cast.tobytes() == array.tobytes() or np.isnan(array).any()


def test_a_cast_keeps_the_order_of_the_base():
    one = np.zeros(1)
    assert list(cast_like({"a": one, "b": one}, {"b": one, "a": one})) == ["b", "a"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_what_is_not_finite_has_no_integer(value, dtype):
    with pytest.raises(WeightsError, match="not finite"):
        cast_like({"a": np.array([value])}, {"a": np.zeros(1, dtype)})


def test_a_number_beyond_float32_becomes_infinite_and_is_seen():
    cast = cast_like({"a": np.array([1e300])}, {"a": np.zeros(1, np.float32)})
    assert not all_finite(cast)


@pytest.mark.parametrize(
    "arrays", [{}, {"b": np.zeros(2)}, {"a": np.zeros(2), "b": np.zeros(2)}, {"a": np.zeros((2, 1))}]
)
def test_other_names_or_shapes_than_the_base_are_refused(arrays):
    base = {"a": np.zeros(2)}
    for question in (cast_like, difference_norm, largest_difference):
        with pytest.raises(WeightsError):
            question(arrays, base)


def test_what_has_its_dtype_already_is_not_copied():
    floats, integers = np.zeros(2, np.float16), np.zeros(2, np.int8)
    arrays = {"floats": floats, "integers": integers}
    cast = cast_like(arrays, arrays)
    assert cast["floats"] is floats
    assert cast["integers"] is integers


def test_complex_numbers_are_not_cast():
    with pytest.raises(WeightsError, match="no real number"):
        cast_like({"a": np.zeros(1, np.complex128)}, {"a": np.zeros(1)})


# --- questions


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_element_that_is_not_finite_is_found(value):
    assert all_finite({"a": np.zeros(3), "b": np.zeros((), np.int8), "c": np.zeros((0, 2))})
    assert not all_finite({"a": np.zeros(3), "b": np.array([0, value, 0], np.float16)})


@pytest.mark.parametrize("place", [0, MIB - 1, MIB, 2 * MIB])
def test_every_element_of_a_large_tensor_is_looked_at(place):
    array = np.zeros(2 * MIB + 1, np.float32)
    array[place] = 5
    assert not within(array, None, 4.0)
    assert not within(-array, -4.0, None)
    assert largest_difference({"a": array}, {"a": array * 0}) == 5
    array[place] = math.nan
    assert not all_finite({"a": array})


def test_questions_about_a_large_model_take_a_few_blocks_of_memory():
    model = {"a": np.ones((8, 2 * MIB), np.float32)}
    base = {"a": np.zeros((8, 2 * MIB), np.float32)}
    for question in (
        lambda: all_finite(model),
        lambda: within(model["a"], 0.0, 1.0),
        lambda: largest_difference(model, base),
        lambda: difference_norm(model, base),
    ):
        answer, most = most_held(question)
        assert answer
        assert most < 20 * MIB


def test_bounds_are_inclusive_and_none_is_no_bound():
    array = np.array([-1.0, 2.0])
    assert within(array, -1.0, 2.0)
    assert within(array, None, None)
    assert not within(array, -0.5, None)
    assert not within(array, None, 1.5)
    assert not within(np.array([math.nan]), 0.0, None)
    assert within(np.zeros(0), 1.0, 0.0)


differences = st.lists(hnp.arrays(np.float32, shapes, elements=st.floats(-1e6, 1e6, width=32)), max_size=3)


@given(differences)
def test_norm_and_largest_difference_agree_with_exact_sums(tensors):
    update = {str(i): array for i, array in enumerate(tensors)}
    base = {name: np.full_like(array, 0.25) for name, array in update.items()}
    exact = [float(value) - 0.25 for array in tensors for value in array.reshape(-1)]
    norm = math.sqrt(math.fsum(value * value for value in exact))
    assert difference_norm(update, base) == pytest.approx(norm, rel=1e-12)
    assert largest_difference(update, base) == max(map(abs, exact), default=0.0)


def test_the_norm_over_several_blocks_agrees_with_an_exact_sum():
    array = np.random.default_rng(1).normal(size=2**20 + 12_345)
    exact = math.sqrt(math.fsum((array * array).tolist()))
    assert difference_norm({"a": array}, {"a": np.zeros_like(array)}) == pytest.approx(exact, rel=1e-12)


def halved(squares):
    """The rule of the protocol in Python's own floats; the length is a power of two."""
    while len(squares) > 1:
        half = len(squares) // 2
        squares = [left + right for left, right in zip(squares[:half], squares[half:], strict=True)]
    return squares[0]


def test_the_order_of_adding_fixes_every_bit_of_the_norm():
    in_other_order = 0
    for seed in range(20):
        array = np.random.default_rng(seed).normal(size=100)
        squares = [float(value) * float(value) for value in array]
        norm = difference_norm({"a": array}, {"a": np.zeros(100)})
        assert norm == math.sqrt(halved(squares + [0.0] * 28))
        in_other_order += norm != math.sqrt(sum(squares))
    assert in_other_order  # so the order does matter here


def test_unsigned_and_boolean_differences_do_not_wrap():
    update, base = {"a": np.array([0], np.uint8)}, {"a": np.array([255], np.uint8)}
    assert largest_difference(update, base) == 255.0
    assert largest_difference({"a": np.array([True])}, {"a": np.array([False])}) == 1.0


def test_a_difference_beyond_float64_is_infinite():
    update, base = {"a": np.array([1.7e308])}, {"a": np.array([-1.7e308])}
    assert largest_difference(update, base) == math.inf
    assert difference_norm(update, base) == math.inf


def test_nan_is_never_a_small_difference():
    update, base = {"a": np.array([0.0, math.nan])}, {"a": np.zeros(2)}
    assert math.isnan(largest_difference(update, base))
    assert math.isnan(difference_norm(update, base))


def test_a_header_nested_beyond_reason_is_refused_and_crashes_nothing() -> None:
    header = b"[" * 1_000_000
    with pytest.raises(WeightsError, match="nested deeper"):
        decode(len(header).to_bytes(8, "little") + header, ["w"])
