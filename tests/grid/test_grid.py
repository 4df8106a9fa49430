"""The in-process grid: the same replies in the same order, whatever the number of workers."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg

from aggregator import flower
from experiments.grid import FIRST_NODE, InProcessGrid
from experiments.workers import load_app
from fl.errors import UsageError
from fl.messages import DELIVER

APP = """
import os, signal, time
import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
broken = "no app"

@app.train()
def train(message, context):
    do = context.node_config.get("do", "")
    calls = context.state.get("calls", ConfigRecord({"n": 0}))["n"] + 1
    context.state["calls"] = ConfigRecord({"n": calls})
    if do == "raise":
        raise ValueError("no rows here")
    if do == "die" and calls == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "sleep" and calls >= context.node_config.get("at", 1):
        time.sleep(context.node_config["seconds"])
    weights = message.content["arrays"]["w"].numpy()
    chance = np.random.default_rng(int(context.node_config["rows"]) + calls)
    for _ in range(3):
        weights = (weights - 0.1 * chance.normal(size=weights.shape)).astype(np.float32)
    record = ArrayRecord({"w": Array(weights)})
    rows = int(context.node_config["rows"])
    metrics = MetricRecord({"num-examples": rows, "calls": calls, "pid": os.getpid()})
    return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)
"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Where a tiny numpy app can be imported from, here and in spawned processes."""
    (tmp_path / "tiny_grid_app.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)
    yield "tiny_grid_app:app"
    sys.modules.pop("tiny_grid_app", None)


def nodes(number=5, **of_node):
    configs = [{"rows": 10 + i} for i in range(number)]
    for index, changes in of_node.items():
        configs[int(index.removeprefix("n"))].update(changes)
    return configs


def ask(grid, value=1.0, to=None):
    content = RecordDict({"arrays": ArrayRecord({"w": Array(np.full((4, 3), value, np.float32))})})
    ids = to or list(grid.get_node_ids())
    return list(grid.send_and_receive([Message(content, node, "train") for node in ids]))


def bits(replies):
    return [reply.content["arrays"]["w"].numpy().tobytes() for reply in replies]


def two_rounds(app, workers):
    with InProcessGrid(app, nodes(), workers=workers) as grid:
        return bits(ask(grid)) + bits(ask(grid, 2.0))


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_same_bits(app, workers):
    assert two_rounds(app, workers) == two_rounds(app, 1)


def test_plain_fedavg_gives_the_same_model_for_any_number_of_workers(app):
    def model(workers):
        with InProcessGrid(app, nodes(), workers=workers) as grid:
            initial = ArrayRecord({"w": Array(np.zeros((4, 3), np.float32))})
            strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=5)
            with flower.quiet():
                return strategy.start(grid, initial, num_rounds=2).arrays["w"].numpy().tobytes()

    assert model(1) == model(3)


@pytest.mark.parametrize("workers", [1, 2])
def test_replies_come_in_the_order_of_the_nodes(app, workers):
    slow_first = nodes(3, n0={"do": "sleep", "seconds": 0.5})
    heard = []
    with InProcessGrid(app, slow_first, workers=workers, answered=heard.append) as grid:
        replies = ask(grid, to=[FIRST_NODE + 2, FIRST_NODE, FIRST_NODE + 1])
    assert [r.metadata.src_node_id - FIRST_NODE for r in replies] == [0, 1, 2]
    assert sorted(heard) == [0, 1, 2]


def test_work_is_done_in_other_processes_and_deliveries_in_this_one(app):
    with InProcessGrid(app, nodes(4), workers=2) as grid:
        pids = {reply.content["metrics"]["pid"] for reply in ask(grid)}
        arrays = ArrayRecord({"w": Array(np.zeros((4, 3), np.float32))})
        content = RecordDict({DELIVER: ConfigRecord(), "arrays": arrays})
        sent = [Message(content, node, "train") for node in grid.get_node_ids()]
        delivered = {reply.content["metrics"]["pid"] for reply in grid.send_and_receive(sent)}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert delivered == {os.getpid()}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_keeps_its_context_from_round_to_round(app, workers):
    with InProcessGrid(app, nodes(3), workers=workers) as grid:
        ask(grid, to=[FIRST_NODE])
        replies = ask(grid)
    assert [reply.content["metrics"]["calls"] for reply in replies] == [2, 1, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_becomes_an_error_reply(app, workers):
    with InProcessGrid(app, nodes(3, n1={"do": "raise"}), workers=workers) as grid:
        replies = ask(grid)
    assert [reply.has_error() for reply in replies] == [False, True, False]
    assert replies[1].error.code == flower.APP_RAISED
    assert replies[1].error.reason == "ValueError: no rows here"


def test_a_worker_that_dies_costs_its_message_and_is_replaced(app):
    with InProcessGrid(app, nodes(4, n0={"do": "die"}), workers=2) as grid:
        first = ask(grid)
    assert [reply.has_error() for reply in first] == [True, False, False, False]
    assert first[0].error.code == flower.APP_CRASHED


def test_an_app_that_changes_its_message_changes_nobody_elses(app):
    greedy = ClientApp()

    @greedy.train()
    def train(message, context):
        seen = dict(message.content["arrays"])
        message.content["arrays"].clear()
        return Message(RecordDict({"seen": MetricRecord({"n": len(seen)})}), reply_to=message)

    grid = InProcessGrid(greedy, nodes(3))
    assert [reply.content["seen"]["n"] for reply in ask(grid)] == [1, 1, 1]


def test_each_reply_is_pulled_once_and_refers_to_its_message(app):
    grid = InProcessGrid(app, nodes(2))
    content = RecordDict({"arrays": ArrayRecord({"w": Array(np.zeros((4, 3), np.float32))})})
    ids = list(grid.push_messages([Message(content, node, "train") for node in grid.get_node_ids()]))
    replies = list(grid.pull_messages([*ids, "unknown"]))
    assert [reply.metadata.reply_to_message_id for reply in replies] == ids
    assert len({reply.metadata.message_id for reply in replies} | set(ids)) == 4
    assert list(grid.pull_messages(ids)) == []


def test_leaving_the_grid_ends_its_workers(app):
    with InProcessGrid(app, nodes(2), workers=2) as grid:
        pids = [reply.content["metrics"]["pid"] for reply in ask(grid)]
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


def test_an_exception_in_the_parent_ends_workers_in_the_middle_of_training(app):
    def stop(node):
        raise KeyboardInterrupt

    busy = nodes(2, n1={"do": "sleep", "at": 2, "seconds": 120})
    grid = InProcessGrid(app, busy, workers=2)
    pids = [reply.content["metrics"]["pid"] for reply in ask(grid)]
    grid._answered = stop
    with pytest.raises(KeyboardInterrupt), grid:
        ask(grid)
    assert not any(alive(pid) for pid in pids)


RUNNER = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, RecordDict
from experiments.grid import InProcessGrid

def ask(grid):
    arrays = ArrayRecord({"w": Array(np.zeros((4, 3), np.float32))})
    sent = [Message(RecordDict({"arrays": arrays}), node, "train") for node in grid.get_node_ids()]
    return list(grid.send_and_receive(sent))

if __name__ == "__main__":
    nodes = [{"rows": rows, "do": "sleep", "at": 2, "seconds": 120} for rows in (1, 2)]
    grid = InProcessGrid("tiny_grid_app:app", nodes, workers=2)
    print(*[reply.content["metrics"]["pid"] for reply in ask(grid)], flush=True)
    ask(grid)
"""


def alive(pid):
    """Whether a process runs; a dead one that nobody has waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_no_worker_outlives_a_killed_parent(app, tmp_path, how):
    script = tmp_path / "runner.py"
    script.write_text(RUNNER)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    process.send_signal(how)
    process.wait(timeout=30)
    until = time.monotonic() + 30
    while any(alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


# --- wrong input


def test_an_app_that_is_not_there_is_refused(app):
    for named in ("tiny_grid_app:nothing", "no_such_module:app", "tiny_grid_app:broken", "", "tiny_grid_app"):
        with pytest.raises(UsageError):
            load_app(named)


def test_a_grid_needs_nodes_and_workers(app):
    with pytest.raises(UsageError):
        InProcessGrid(app, [])
    with pytest.raises(UsageError):
        InProcessGrid(app, nodes(), workers=0)


def test_messages_can_be_pickled():
    flower.adopt_identity(1)
    message = Message(RecordDict({"c": ConfigRecord({"a": [1, 2]})}), 2, "train")
    assert pickle.loads(pickle.dumps(message)).content["c"]["a"] == [1, 2]
