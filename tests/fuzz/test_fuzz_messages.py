"""Flower messages from whoever: a site answers or refuses, and an aggregator counts on no reply."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Error,
    Message,
    Metadata,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg
from hypothesis import given
from hypothesis import strategies as st
from profiles import effort
from stage import BASE, CODE, NAMES, REWARD, account, make_terms

from aggregator import flower, rules
from aggregator.rounds import Rounds
from aggregator.strategy import OnChain
from aggregator.trainers import Trainers
from clients.mod import site_mod
from clients.outbox import Outbox
from clients.site import Site, policy_digest
from experiments.grid import InProcessGrid
from fl import weights
from fl.canonical import sha256
from fl.ledger.memory import MemoryFederation
from fl.ledger.types import Stage, TaskParams
from fl.messages import ANNOUNCEMENT, CLOSED, DELIVER, INTRODUCE, RECEIPT, WEIGHTS
from fl.store.memory import MemoryStore
from fl.store.port import put_bytes

TERMS = make_terms(BASE, privacy=None)


class Meeting:
    """The sites of one task in memory, and its aggregator."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, MemoryStore()
        self.chain = MemoryFederation(account("owner").address)
        owner = self.chain.as_account(account("owner"))
        self.chain.mint(owner.account, 10 * REWARD)
        owner.approve(10 * REWARD)
        numbers = (REWARD, TERMS.quorum, TERMS.window, TERMS.close_window, TERMS.settle_delay)
        start = bytes.fromhex(TERMS.weights.sha256)
        owner.create_task(TaskParams(TERMS.id, start, account("aggregator").address, owner.account, *numbers))
        owner.fund(1, 10 * REWARD)
        put_bytes(self.store, TERMS.encode())
        put_bytes(self.store, weights.encode(BASE))
        for name in NAMES:
            owner.admit(account(name).address, sha256(name.encode()))
            self.site(name).join(TERMS, policy_digest(b"policy", bytes(32)))
        self.rounds = Rounds(
            self.chain.as_account(account("aggregator")),
            self.store,
            1,
            rules.build(TERMS.rule),
            lambda *_: 0,
            self.wait,
        )

    def site(self, name: str) -> Site:
        ledger = self.chain.as_account(account(name))
        outbox = Outbox(self.folder / name)
        return Site(ledger, self.store, 1, outbox, code=CODE, data=sha256(name.encode()))

    def wait(self, until, done) -> None:
        if not done():
            self.chain.set_time(max(until, self.rounds.ledger.now()))

    def mod(self, name: str, message: Message, node: int = 2) -> Message:
        context = Context(1, node, {}, RecordDict(), {})
        return site_mod(lambda _context: self.site(name))(message, context, train)


def train(message: Message, context: Context) -> Message:
    arrays = {name: array.numpy() for name, array in message.content["arrays"].items()}
    arrays["weight"] = arrays["weight"] + np.float32(np.random.default_rng().random())
    record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    metrics = MetricRecord({"num-examples": 20, "loss": 0.25})
    return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)


@contextmanager
def listening() -> Iterator[list[str]]:
    """What the aggregator logs."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # all of one
    logger = logging.getLogger("fedledger.aggregator")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


# --- what may stand in a message

MARKS = [ANNOUNCEMENT, CLOSED, DELIVER, INTRODUCE, RECEIPT, WEIGHTS]
keys = st.sampled_from(["arrays", "config", "metrics", "trainer", "signature", *MARKS]) | st.text(max_size=6)
scalars = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.booleans()
    | st.text(max_size=70)
    | st.binary(max_size=70)
    | st.sampled_from(["ab" * 32, "zz" * 32, "AB" * 32, "٣" * 64, " " * 64, "0x" + "ab" * 31, "a" * 1000])
)
values = scalars | st.lists(st.integers(0, 9), max_size=3) | st.lists(st.text(max_size=3), max_size=3)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats() | st.lists(st.floats(), max_size=3)
arrays = st.sampled_from([np.zeros(3), np.array(np.nan), np.zeros((0, 2), np.float16)]).map(Array)
records = (
    st.dictionaries(keys, values, max_size=3).map(ConfigRecord)
    | st.dictionaries(keys, numbers, max_size=3).map(MetricRecord)
    | st.dictionaries(keys, arrays, max_size=2).map(ArrayRecord)
)
contents = st.dictionaries(keys, records, max_size=4).map(RecordDict)
errors = st.builds(Error, st.integers(0, 400), st.text(max_size=50) | st.just("\x1b[2J\r\n" * 50))


def introduced(said: dict[str, object]) -> RecordDict:
    return RecordDict({INTRODUCE: ConfigRecord(said)})


def message_of(content: RecordDict | Error, kind: str = "train") -> Message:
    return Message(content, metadata=Metadata(1, "1", 1, 2, "", "", 0.0, 1e12, kind))


@effort(150, 2_000)
@given(content=contents | errors, kind=st.sampled_from(["train", "train.more", "evaluate", "query"]))
def test_a_site_answers_or_refuses_any_message_and_trains_on_nothing_but_a_round(meeting, content, kind):
    reply = meeting.mod("ada", message_of(content, kind))
    assert reply.metadata.dst_node_id == 1
    if reply.has_error():
        assert len(reply.error.reason) < 300
        assert str(meeting.folder) not in reply.error.reason
    else:
        assert not reply.content.array_records
    assert meeting.site("ada").outbox.receipts() == ()


@pytest.fixture(scope="module")
def meeting(tmp_path_factory) -> Meeting:
    """A round is open; nobody has trained in it yet."""
    meeting = Meeting(tmp_path_factory.mktemp("meeting"))
    meeting.rounds.open()
    return meeting


@effort(15, 200)
@given(replies=st.lists(contents | errors, min_size=1, max_size=4))
def test_a_round_depends_on_no_reply_and_its_log_is_fit_for_a_terminal(tmp_path_factory, replies):
    meeting, said = Meeting(tmp_path_factory.mktemp("replies")), iter(replies * 10)

    def answer(message: Message, context: Context) -> Message:
        honest = meeting.mod(str(context.node_config["name"]), message, context.node_id)
        return honest if INTRODUCE in message.content else Message(next(said), reply_to=message)

    app = ClientApp()
    app.train()(answer)
    grid = InProcessGrid(app, [{"name": name} for name in NAMES])
    with flower.quiet(), listening() as log:
        strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=len(NAMES))
        OnChain(strategy, meeting.rounds).start(grid, num_rounds=1)
    (round_,) = meeting.rounds.record().rounds
    assert (round_.stage, len(round_.closed.entries)) == (Stage.SETTLED, 3)
    assert all(line.isprintable() and len(line) < 600 for line in log)


@effort(50, 1_000)
@given(reply=contents | errors | st.dictionaries(keys, values, max_size=3).map(introduced))
def test_no_word_but_a_signed_one_makes_a_node_a_trainers(meeting, reply):
    app = ClientApp()
    app.train()(lambda message, context: Message(reply, reply_to=message))
    trainers = Trainers(InProcessGrid(app, [{}]), meeting.rounds.ledger, 1, "train")
    with listening() as log:
        assert trainers.meet() is False
    assert trainers.nodes() == {}
    assert all(line.isprintable() and len(line) < 600 for line in log)
