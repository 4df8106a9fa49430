"""What a round may choose, from the aggregator's announcement to the app's own config."""

from __future__ import annotations

import pytest
from flwr.app import ConfigRecord, Context, Message, Metadata, RecordDict
from flwr.clientapp import ClientApp

from clients.mod import site_mod
from fl.canonical import encode_settings
from fl.errors import ConsentError
from fl.messages import ANNOUNCEMENT

TRAINING = {"epochs": 5, "rate": "float:0.01", "shuffle": True, "layers": [8, 4]}
ADJUSTABLE = (
    {"name": "rate", "low": "float:0.001", "high": "float:0.1"},
    {"name": "epochs", "low": "float:1.0", "high": "float:9.0"},
    {"name": "shuffle"},
    {"name": "layers"},
    {"name": "note"},
    {"name": "factors"},
)


@pytest.fixture
def federation(new_federation, terms_with):
    return new_federation(terms=terms_with(training=TRAINING, adjustable=ADJUSTABLE))


def config_of(federation, announcement):
    """What an app of Ada's gets as its config."""
    seen = []
    app = ClientApp(mods=[site_mod(lambda _context: federation.site("ada"))])
    app.train()(lambda message, _context: seen.append(message.content["config"]))
    reference = ConfigRecord({ANNOUNCEMENT: announcement.id.hex()})
    content = RecordDict({"arrays": reference, "config": ConfigRecord({"rate": 99.0})})
    message = Message(content, metadata=Metadata(1, "1", 1, 2, "", "", 0.0, 1e12, "train"))
    app(message, Context(1, 2, {}, RecordDict(), {}))
    (config,) = seen
    return dict(config)


def test_without_a_choice_the_app_gets_the_terms_settings(federation):
    assert config_of(federation, federation.open()) == {
        "epochs": 5,
        "rate": 0.01,
        "shuffle": True,
        "layers": [8, 4],
    }


def test_what_a_round_chooses_wins_over_the_terms_and_keeps_its_type(federation):
    chosen = {
        "epochs": 2,
        "rate": 0.05,
        "shuffle": False,
        "layers": (3, 2, 1),
        "note": "warm up",
        "factors": (0.5, 2.0),
    }
    config = config_of(federation, federation.open(**chosen, **{"server-round": 3}))
    lists = {"layers": [3, 2, 1], "factors": [0.5, 2.0]}
    expected = chosen | lists | {"server-round": 1}  # the chain's, whatever the strategy counts
    assert config == expected
    assert {name: type(value) for name, value in config.items()} == {
        name: type(value) for name, value in expected.items()
    }


@pytest.mark.parametrize("two", [2, 2.0])
def test_a_whole_number_and_the_float_that_equals_it_stay_two(federation, two):
    assert type(config_of(federation, federation.open(epochs=two))["epochs"]) is type(two)


@pytest.mark.parametrize(
    "settings",
    [{"rate": 0.2}, {"rate": 0.0001}, {"rate": True}, {"rate": "0.05"}, {"epochs": 10}, {"momentum": 0.9}],
)
def test_a_site_trains_with_nothing_else_whatever_an_aggregator_announces(federation, settings):
    announcement = federation.announce(settings=encode_settings(settings))
    with pytest.raises(ConsentError, match=f"sets {next(iter(settings))} to"):
        federation.sites["ada"].settings(announcement)


def test_a_site_does_not_work_for_a_round_that_asks_too_few_to_close(federation):
    ada = federation.sites["ada"]
    announcement = federation.announce(invited=(ada.account,), drawn_at=1)
    with pytest.raises(ConsentError, match="invites 1, and a round needs 2"):
        ada.settings(ada.announced(announcement.id))
