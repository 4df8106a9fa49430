"""A round's updates go through a decision one by one: what it holds in memory, and that no bit changes.

A model here is 6 MiB of floats in 24 tensors.
"""

from __future__ import annotations

import shutil
import tempfile
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from agreed import tensor
from flwr.app import Array, ArrayRecord, Message, Metadata, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

from aggregator import rules, spool
from aggregator.decision import decide
from aggregator.spool import Spool
from aggregator.types import Aggregate, Closed
from fl import weights
from fl.documents import Reference
from fl.errors import StoreUnavailable
from fl.store.embedded import EmbeddedStore
from fl.store.layout import cid_of
from fl.store.port import put_bytes, read_bytes

MIB = 1 << 20
TENSORS, SITES = 24, 7
MODEL = TENSORS * MIB // 4
MARGIN = 3 * MIB
"""A few tensors, and blocks on their way from or to the disk."""

FEDAVG = rules.complete("FedAvg", {})
HELD = {
    ("FedProx", ("proximal_mu", 0.1)): 3,
    ("FedMedian",): 3,
    ("FedTrimmedAvg",): 3,
    ("FedAvgM",): 4,
    ("FedAvgM", ("server_momentum", 0.9)): 7,
    ("QFedAvg", ("client_learning_rate", 0.1), ("train_loss_key", "loss")): 6,
    ("FedYogi",): 10,
    ("FedAdagrad",): 10,
    ("FedAdam",): 12,
    ("Krum", ("num_malicious_nodes", 1)): 1 + 2 * SITES,
    ("MultiKrum", ("num_malicious_nodes", 1), ("num_nodes_to_select", 2)): 1 + 2 * SITES,
    ("Bulyan", ("num_malicious_nodes", 1)): 1 + 2 * SITES,
}
"""How many models a decision holds under each rule; `aggregator.decision` says the same."""


def model(seed):
    chance = np.random.default_rng(seed)
    return {
        f"layer{i}": chance.standard_normal((256, 256), np.float32) / np.float32(100) for i in range(TENSORS)
    }


BASE = model(0)


def agreed(scoring):
    """What terms of the large model say."""
    data = weights.encode(BASE)
    return {
        "scoring": scoring,
        "tensors": tuple(tensor(name, array) for name, array in BASE.items()),
        "weights": Reference.of(cid_of(data), data).model_dump(),
        "limits": {"element": "float:10.0", "norm": "float:1000.0", "examples": 10_000},
    }


@pytest.fixture(scope="module")
def large(make_terms, make_case, tmp_path_factory):
    """Makes rounds of the same large updates, in a store on the disk."""
    folder = tmp_path_factory.mktemp("store")
    store = EmbeddedStore(folder)

    def large(scoring="equal", sites=SITES):
        case = make_case(terms=make_terms(**agreed(scoring)), base=weights.encode(BASE))
        case.sites = [type(case.sites[0])(index) for index in range(sites)]
        case.store = store
        put_bytes(store, case.base)
        for index in range(sites):
            case.submit(index, data=weights.encode(model(index + 1)))
        return case

    yield large
    shutil.rmtree(folder)  # pytest would keep it


@pytest.fixture
def submitted(case):
    """A round of three small updates."""
    for index in range(3):
        case.submit(index)
    return case


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """The folder of temporary files; everything that is put aside goes there."""
    monkeypatch.setattr(spool, "IN_MEMORY", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def most_held(action):
    """What `action` gives, and the most memory that it held at once.

    The smaller of two tries: what else goes on in this process, such as threads of earlier tests, only adds.
    """
    (result, first), (_, second) = held_by(action), held_by(action)
    return result, min(first, second)


def held_by(action):
    """What `action` gives, and the most memory that this process held meanwhile."""
    tracemalloc.start()
    try:
        return action(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def by_flower():
    """What Flower's own strategy makes of the same updates, as a weights file."""
    replies = []
    for index in range(SITES):
        arrays = ArrayRecord({name: Array(array) for name, array in model(index + 1).items()})
        metrics = MetricRecord({"num-examples": 100 * (index + 1)})
        content = RecordDict({"arrays": arrays, "metrics": metrics})
        replies.append(Message(content, metadata=Metadata(1, "", 2, 1, "", "", 0.0, 1.0, "train")))
    found, _ = FedAvg().aggregate_train(1, replies)
    return weights.encode({name: found[name].numpy() for name in BASE})


# --- what is held


def decided(case, rule, utility=lambda *_: 0, state=None):
    """The decision, and the most memory that it held: what is read first counts, base and state."""
    reference, facts = case.announcement.base, replace(case.facts(), base=b"")

    def read_and_decide():
        base = read_bytes(case.store, reference.parsed(), reference.size)
        memory = None if state is None else bytes(bytearray(state))
        with Spool() as aside:
            whole = replace(facts, base=base, state=memory)
            return decide(whole, rule, utility, case.read, aside.put_arrays)

    return most_held(read_and_decide)


@pytest.mark.slow
@pytest.mark.parametrize("scoring", ["equal", "examples"])
def test_fedavg_holds_three_models_and_gives_the_bits_of_flower_s_own(large, scoring):
    decision, most = decided(large(scoring), rules.build(FEDAVG))
    assert decision.weights == by_flower()
    assert most < 3 * MODEL + MARGIN


@pytest.mark.slow
def test_every_other_rule_holds_what_is_documented(large):
    case = large()
    held = {}
    for name, *arguments in HELD:
        rule = rules.build(rules.complete(name, dict(arguments)))
        first, at_first = decided(case, rule)
        assert isinstance(first, Closed), name
        _, later = decided(case, rule, state=first.state) if first.state else (first, at_first)
        # the rest, less than a model, are blocks and tensors on their way
        held[name, *arguments] = max(at_first, later) // MODEL
    assert held == HELD


@pytest.mark.slow
def test_where_coalitions_are_measured_all_updates_are_held(large):
    case = large("shapley", sites=4)
    decision, most = decided(case, rules.build(FEDAVG), lambda mask, _arrays: mask.bit_count())
    assert isinstance(decision, Closed)
    assert most // MODEL == 4 + 4


@pytest.mark.slow
def test_a_round_from_its_seal_to_its_close_holds_three_models_and_so_does_a_verifier(found, tmp_path):
    """What was read is stored again, too: that is what pins it."""
    federation = found(rules.build(FEDAVG), sites=SITES, **agreed("examples"))
    federation.store = EmbeddedStore(tmp_path)
    for data in (federation.terms.encode(), weights.encode(BASE)):
        put_bytes(federation.store, data)
    federation.begin({index: {"data": weights.encode(model(index + 1))} for index in range(SITES)})
    end, most = held_by(federation.rounds().finish)
    assert end.manifest.weights.sha256 == weights.digest(by_flower()).hex()
    assert most < 3 * MODEL + 2 * MARGIN  # receipts and updates, and blocks on their way to the disk
    _, most = most_held(federation.verify)
    assert most < 3 * MODEL + MARGIN


# --- what a store, a disk and a crash can do in the meantime


def test_a_store_that_goes_away_after_the_verdicts_changes_nothing(submitted):
    def patient(base, updates, _state, _index):
        submitted.blocks.clear()
        for _ in range(2):
            total = {name: sum(update.arrays[name] for update in updates) for name in base}
        return Aggregate(total, {})

    assert isinstance(submitted.decide(patient), Closed)
    assert len(submitted.reads) == len(set(submitted.reads)) * 3 == 9  # each content once


def test_a_temporary_file_has_no_name_and_is_gone_afterwards(submitted, temporary):
    """No name: whoever kills the process leaves nothing behind."""
    seen = []

    def rule(base, updates, _state, _index):
        seen.extend(temporary.iterdir())
        return Aggregate({name: updates[0].arrays[name] for name in base}, {})

    assert isinstance(submitted.decide(rule), Closed)
    assert seen == list(temporary.iterdir()) == []


def test_a_temporary_folder_that_fails_is_neither_a_verdict_nor_the_rule_s_error(submitted, temporary):
    temporary.rmdir()
    with pytest.raises(StoreUnavailable, match="temporary folder") as failure:
        submitted.decide()
    assert "TMPDIR" in failure.value.hint


def test_a_temporary_folder_that_fails_under_the_rule_does_not_fail_the_round(submitted):
    def rule(_base, _updates, _state, _index):
        raise StoreUnavailable("The temporary folder fails.")

    with pytest.raises(StoreUnavailable):
        submitted.decide(rule)


def test_a_rule_that_writes_to_what_it_gets_changes_nothing(case):
    packages = [case.submit(index) for index in range(3)]

    def vandal(base, updates, _state, _index):
        for update in updates:
            for name in base:
                update.arrays[name].fill(0)
        return Aggregate(dict(updates[1].arrays), {})

    assert case.decide(vandal).weights == packages[1].weights
