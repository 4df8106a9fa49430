"""Terms for somebody's own app: from what it asks for, and a few choices."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tiny_app
from flwr.serverapp.strategy import FedAdam, FedAvg, FedXgbBagging, QFedAvg

from aggregator.founding.app_folder import AppFolder
from aggregator.founding.choices import Choices
from aggregator.founding.draft import differences, draft
from aggregator.plan import Plan
from fl import weights
from fl.canonical import decode_settings
from fl.cli import main
from fl.code import installed_code
from fl.documents import Terms
from fl.errors import DocumentError, UsageError, WeightsError
from fl.money import units
from fl.store.embedded import EmbeddedStore
from fl.store.memory import MemoryStore
from fl.store.port import read_bytes, read_document

ARRAYS = {
    "head.weight": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "body.steps": np.array(4, np.int64),
    "body.half": np.ones(3, np.float16),
    "a.double": np.ones(2, np.float64),
}
CODE = bytes(range(32))


def plan_of(arrays=ARRAYS, strategy=None, **training):
    return Plan(strategy or FedAvg(), arrays, training or {"lr": 0.1, "epochs": 2}, 3)


def drafted(plan=None, store=None, **choices):
    return draft(plan or plan_of(), Choices.of(choices), CODE, store or MemoryStore())


def test_tensors_are_listed_in_the_apps_own_order_with_their_dtypes_and_shapes():
    found = [(one.name, one.dtype, one.shape) for one in drafted().tensors]
    assert found == [
        ("head.weight", "F32", (2, 3)),
        ("body.steps", "I64", ()),
        ("body.half", "F16", (3,)),
        ("a.double", "F64", (2,)),
    ]


def test_the_store_has_the_initial_weights_and_the_terms():
    store = MemoryStore()
    terms = drafted(store=store)
    data = read_bytes(store, terms.weights.parsed(), terms.weights.size)
    assert {name: array.tolist() for name, array in weights.decode(data, terms.order).items()} == {
        name: array.tolist() for name, array in ARRAYS.items()
    }
    assert Terms.decode(read_document(store, terms.id)) == terms


def test_settings_strategy_and_code_are_the_apps():
    terms = drafted(plan_of(strategy=FedAdam(eta=0.5), lr=0.25, name="x", sizes=(1, 2)))
    assert decode_settings(terms.training) == {"lr": 0.25, "name": "x", "sizes": (1, 2)}
    assert terms.rule.name == "FedAdam"
    assert decode_settings(terms.rule.arguments)["eta"] == 0.5
    assert terms.code == CODE.hex()


def test_everything_else_is_chosen():
    terms = drafted(
        purpose="Read digits.",
        quorum=5,
        reward="2.5",
        scoring="equal",
        window=60,
        close_window=61,
        settle_delay=0,
        limits={"element": 2.0, "norm": 3.0, "examples": 4},
        metrics={"loss": [0, 100]},
        adjustable={"lr": [0.001, 1]},
    )
    assert (terms.purpose, terms.quorum, terms.reward) == ("Read digits.", 5, str(units("2.5")))
    assert (terms.window, terms.close_window, terms.settle_delay) == (60, 61, 0)
    assert (terms.scoring.rule, terms.guard, terms.model, terms.data) == ("equal", "none", None, None)
    assert (terms.limits.element, terms.limits.norm, terms.limits.examples) == ("float:2.0", "float:3.0", 4)
    assert [(one.name, one.low, one.high) for one in terms.metrics] == [("loss", "float:0.0", "float:100.0")]
    assert [(one.name, one.bounds) for one in terms.adjustable] == [("lr", (0.001, 1.0))]


def test_updates_for_qfedavg_report_the_loss_that_it_weighs_them_by():
    floats = {"w": np.ones(3, np.float32)}
    strategy = QFedAvg(client_learning_rate=0.1, train_loss_key="my-loss")
    assert [one.name for one in drafted(plan_of(floats, strategy)).metrics] == ["my-loss"]
    chosen = drafted(plan_of(floats, strategy), metrics={"my-loss": [0, 5]}).metrics
    assert [(one.name, one.high) for one in chosen] == [("my-loss", "float:5.0")]


def test_two_drafts_differ_where_they_differ_but_for_initial_weights():
    other = {name: array + 1 for name, array in ARRAYS.items()}
    assert drafted().weights != drafted(plan_of(other)).weights
    assert differences(drafted(), drafted(plan_of(other))) == []
    assert differences(drafted(), drafted(plan_of(lr=0.2), quorum=3)) == ["training", "quorum"]


@pytest.mark.parametrize(
    ("plan", "error", "sentence"),
    [
        (plan_of({"w": np.ones(2, np.complex64)}), WeightsError, "'w' has dtype complex64"),
        (plan_of({"w": np.ones(2, np.dtype("V2"))}), WeightsError, "weights cannot hold"),  # as bfloat16 is
        (plan_of({"w<0>": np.ones(2)}), UsageError, "'w<0>': a name has no"),
        (plan_of({}), UsageError, "at least 1 item"),
        (plan_of(**{"a[0]": 1}), UsageError, "a name has no"),
        (plan_of({f"layer {n}": np.ones(1) for n in range(5000)}), DocumentError, "more than 262144"),
        (plan_of(strategy=FedXgbBagging()), UsageError, "FedXgb"),
        (plan_of(strategy=QFedAvg(client_learning_rate=0.1)), UsageError, "floats only"),
    ],
)
def test_what_no_terms_can_say_is_a_sentence(plan, error, sentence):
    with pytest.raises(error, match=sentence):
        drafted(plan)


# --- choices


def test_choices_are_read_from_a_file_and_changed_one_by_one(tmp_path):
    file = tmp_path / "choices.toml"
    file.write_text('purpose = "Learn."\nquorum = 3\n[limits]\nnorm = 5\nelement = 4.0\n')
    chosen = Choices.read(file, ["quorum=4", "limits.norm=7", "metrics.train-loss=[0, 9]", "reward=0.5"])
    assert (chosen.purpose, chosen.quorum, chosen.reward) == ("Learn.", 4, "0.5")
    assert (chosen.limits.norm, chosen.limits.element) == (7.0, 4.0)
    assert chosen.metrics == {"train-loss": (0.0, 9.0)}
    assert Choices.read(changes=["purpose=Read handwritten digits"]).purpose == "Read handwritten digits"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("quorum=0", "quorum cannot be 0"),
        ("quorum", "does not say what to choose"),
        ("scoring=shapley", "'examples' or 'equal'"),
        ("unknown=1", "There is no choice unknown"),
        ("limits.most=1", "There is no choice limits.most"),
        ("metrics.loss=[2, 1]", "lower bound 2.0 is above"),
        ("metrics.loss=[0, inf]", "finite"),
        ("reward=-1", "cannot be"),
        ("window=0.5", "cannot be"),
    ],
)
def test_a_choice_that_cannot_be_is_a_sentence(change, sentence):
    with pytest.raises(UsageError, match=sentence):
        Choices.read(changes=[change])


def test_a_file_that_is_none_is_a_sentence(tmp_path):
    (tmp_path / "bad.toml").write_text("quorum = ")
    for file in ("missing.toml", "bad.toml", "."):
        with pytest.raises(UsageError):
            Choices.read(tmp_path / file)


# --- fl task draft


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    EmbeddedStore(tmp_path / "store")
    return lambda name, **of_app: tiny_app.write(tmp_path / name, name, **of_app)


def test_the_command_writes_the_terms_of_what_the_app_would_start(app, tmp_path, capsys):
    folder = app("tiny_drafted")
    words = ["task", "draft", str(folder), "--store", "store", "--out", "terms.json"]
    assert main([*words, "--set", "quorum=3", "-c", "step=0.25"]) == 0
    terms = Terms.decode((tmp_path / "terms.json").read_bytes())
    assert terms.id.hex() in capsys.readouterr().out
    assert decode_settings(terms.training) == {"step": 0.25}
    assert (terms.order, terms.quorum, terms.rule.name) == (("w", "n"), 3, "FedAvg")
    AppFolder.open(folder)
    assert terms.code == installed_code("tiny_drafted").hex()
    assert main(["task", "show", "terms.json"]) == 0


@pytest.mark.slow
def test_an_app_that_is_not_on_the_chain_is_told_what_it_lacks(app, capsys):
    folder = app("tiny_plain_drafted", chain=False)
    assert main(["task", "draft", str(folder), "--store", "store", "--out", "terms.json"]) == 2
    assert "has to be wrapped: OnChain(strategy, context)" in capsys.readouterr().err


def test_an_app_that_starts_nothing_is_told_so(app, tmp_path, capsys):
    folder = app("tiny_idle")
    idle = (
        "from flwr.serverapp import ServerApp\napp = ServerApp()\n@app.main()\ndef main(grid, context): ...\n"
    )
    (folder / "tiny_idle" / "server_app.py").write_text(idle)
    assert main(["task", "draft", str(folder), "--store", "store", "--out", "terms.json"]) == 2
    assert "started no strategy on the chain" in capsys.readouterr().err
    assert not (tmp_path / "terms.json").exists()
