"""`fl site`: an institution reads terms, joins, looks, leaves."""

import tomllib

import pytest
import tomli_w

from fl.code import installed_code
from fl.ledger.types import Address, Joined
from fl.wiring import Deployment, open_ledger

PACKAGE = "heart_model"


@pytest.fixture
def app(tmp_path):
    """A Flower app's folder, which is not installed anywhere."""
    package = tmp_path / "app" / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "task.py").write_text("RATE = 0.1\n")
    return tmp_path / "app"


@pytest.fixture
def clinic(office, app, monkeypatch):
    """Ada and Bert are members, and a task asks for the code of `app`; ada's file is `site.toml`."""
    with monkeypatch.context() as there:
        there.syspath_prepend(app)
        digest = installed_code(PACKAGE).hex()
    office.admit("ada", "bert")
    office.create("--out", office.folder, "--code", PACKAGE, code=digest)
    change(office, key="ada.key")
    return office


def change(desk, drop=(), **changes):
    """Write other things into `site.toml`."""
    file = desk.folder / "site.toml"
    said = tomllib.loads(file.read_text()) | changes
    file.write_text(tomli_w.dumps({name: value for name, value in said.items() if name not in drop}))


def joins(desk):
    ledger = open_ledger(Deployment(desk.rpc, Address(desk.contract), 1, ""))
    return [event for event in ledger.history(1) if isinstance(event, Joined)]


# --- terms


def test_terms_are_read_without_a_key(clinic):
    change(clinic, key="nothing.key")
    said = clinic.fl("site", "terms", "site.toml")
    assert said.code == 0
    assert said.out == clinic.fl("task", "show", "terms.json").out
    assert clinic.done("site", "terms", "site.toml") == clinic.terms.model_dump(mode="json")


# --- joining and leaving


def test_a_site_joins_once_and_its_terms_digest_is_on_the_chain(clinic, app):
    join = ("site", "join", "site.toml", "--app", app)
    made = clinic.done(*join)
    assert made == {
        "member": clinic.address("ada"),
        "task": 1,
        "terms": clinic.terms.id.hex(),
        "sent": True,
    }
    assert clinic.done(*join) == made | {"sent": False}
    (joined,) = joins(clinic)
    assert (joined.member, joined.terms.hex()) == (clinic.address("ada"), made["terms"])


def test_the_policys_digest_is_salted_and_follows_from_the_policy(clinic, app):
    (clinic.folder / "policy").write_text("No more than ten rounds.")
    digests = set()
    for words in ((), ("--policy", "policy")):
        clinic.done("site", "join", "site.toml", "--app", app, *words)
        clinic.done("site", "leave", "site.toml")
        digests.add(joins(clinic)[-1].policy)
    assert len(digests) == 2
    change(clinic, key="bert.key", outbox="bert")
    clinic.done("site", "join", "site.toml", "--app", app, "--policy", "policy")
    assert joins(clinic)[-1].policy not in digests


def test_a_consent_is_taken_back(clinic, app):
    clinic.done("site", "join", "site.toml", "--app", app)
    assert clinic.done("site", "status", "site.toml")["joined"]
    clinic.done("site", "leave", "site.toml")
    assert not clinic.done("site", "status", "site.toml")["joined"]
    assert "has no seat in task 1" in clinic.refused("site", "leave", "site.toml")


def test_a_site_with_other_code_than_the_terms_approve_does_not_join(clinic, app):
    (app / PACKAGE / "task.py").write_text("RATE = 0.2\n")
    assert "The terms approve the code" in clinic.refused("site", "join", "site.toml", "--app", app, code=1)
    assert joins(clinic) == []


def test_code_that_is_nowhere_is_told_from_other_code(clinic, app):
    said = clinic.refused("site", "join", "site.toml")
    assert f"site.toml, 'code': There is no installed code called '{PACKAGE}'" in said
    assert "--app" in said
    assert "There is no folder nowhere" in clinic.refused("site", "join", "site.toml", "--app", "nowhere")


def test_who_is_no_member_is_told_whom_to_ask(clinic, app):
    change(clinic, key="cleo.key")
    said = clinic.refused("site", "join", "site.toml", "--app", app)
    assert f"{clinic.address('cleo')} is no member" in said
    assert clinic.address("owner") in said


def test_a_policy_that_is_not_there_gets_a_sentence(clinic, app):
    words = ("site", "join", "site.toml", "--app", app, "--policy", "nothing")
    assert "The policy nothing cannot be read" in clinic.refused(*words)
    assert joins(clinic) == []


# --- status


def test_status_says_how_a_site_stands(clinic, app):
    before = clinic.done("site", "status", "site.toml")
    assert (before["name"], before["joined"], before["last"], before["waiting"]) == ("ada", False, 0, [])
    clinic.done("site", "join", "site.toml", "--app", app)
    text = clinic.fl("site", "status", "site.toml").out
    assert f"ada, {clinic.address('ada')}" in text
    assert "joined; asked since round 1" in text
    assert "no round yet" in text
    assert "0.00 tokens" in text
    change(clinic, key="cleo.key")
    assert "not admitted" in clinic.fl("site", "status", "site.toml").out


# --- wrong files

EVERY = ("terms", "join", "leave", "status")


def test_a_file_that_is_not_there_or_no_toml_gets_a_sentence(desk):
    (desk.folder / "letter").write_text("Dear site")
    for command in EVERY:
        assert "The site's file nothing cannot be read" in desk.refused("site", command, "nothing")
        assert "The site's file letter is no TOML" in desk.refused("site", command, "letter")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"confirmation": 1}, "site.toml has an unknown key 'confirmation'"),
        ({"task": "one"}, "site.toml, 'task': 'one' is not a whole number"),
        ({"task": 0}, "site.toml has no number 'task'"),
        ({"task": 9}, "There is no task 9."),
        ({"contract": "zebra"}, "site.toml, 'contract': 'zebra' is not an address"),
        ({"contract": "0x" + "01" * 20}, "site.toml, 'contract': "),
        ({"chain": "nowhere"}, "site.toml, 'chain': There is no chain file"),
        ({"store": "nowhere"}, "site.toml, 'store': There is no store in"),
        ({"drop": ["chain"]}, "site.toml has no text 'chain'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_key_is_named_with_its_file(clinic, app, changes, sentence):
    change(clinic, **changes)
    for command in EVERY:
        words = ("--app", app) if command == "join" else ()
        if command != "leave" or "store" not in changes:  # who leaves needs no store
            assert sentence in clinic.refused("site", command, "site.toml", *words)
