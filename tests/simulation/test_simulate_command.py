"""`fl simulate`: somebody's own app in its folder, as `flwr run` would take it."""

from __future__ import annotations

import json
import logging

import pytest

from fl.cli import main


@pytest.fixture(autouse=True)
def as_before(bench, monkeypatch):
    """In an empty folder; the command says how rounds end, which is nothing for other tests."""
    monkeypatch.chdir(bench.folder)
    log = logging.getLogger("fedledger")
    monkeypatch.setattr(log, "level", log.level)
    monkeypatch.setattr(log, "handlers", list(log.handlers))


def test_an_app_on_the_chain_is_run_in_a_new_folder_that_can_be_verified(bench, capsys):
    app = bench.app("tiny_cli")
    words = ["simulate", str(app.folder), "--nodes", "2", "-c", "rounds=1", "--set", "quorum=1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "1 round, 1 closed.\nCheck it: fl verify runs/app-tiny_cli-1" in out
    assert main(["verify", "runs/app-tiny_cli-1"]) == 0


@pytest.mark.slow
def test_a_folder_that_is_named_goes_on(bench, capsys):
    app = bench.app("tiny_cli")
    words = ["simulate", str(app.folder), "--nodes", "2", "--out", "here", "--json"]
    assert main([*words, "-c", "rounds=1"]) == 0
    capsys.readouterr()
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"folder": str(bench.folder / "here"), "rounds": ["closed", "closed"]}


def test_a_plain_app_leaves_no_folder_behind(bench, capsys):
    app = bench.app("tiny_cli_plain", chain=False)
    assert main(["simulate", str(app.folder), "--nodes", "2"]) == 0
    assert "without a chain" in capsys.readouterr().out
    assert not (bench.folder / "runs").exists()


def test_what_the_app_raises_is_told_as_the_apps_own(bench, capsys):
    app = bench.app("tiny_cli_raising", chain=False)
    server = app.folder / "tiny_cli_raising" / "server_app.py"
    server.write_text(
        server.read_text().replace("config = context.run_config", "raise KeyError('no-such-key')")
    )
    assert main(["simulate", str(app.folder)]) == 1
    captured = capsys.readouterr()
    assert "error: The app failed: KeyError: 'no-such-key'" in captured.err
    assert "fault in fedledger" not in captured.err


@pytest.mark.slow
def test_rounds_that_all_fail_end_with_1(bench, capsys):
    app = bench.app("tiny_cli")
    client = app.folder / "tiny_cli" / "client_app.py"
    client.write_text(client.read_text().replace("if site in map", "if True or site in map"))
    assert main(["simulate", str(app.folder), "--nodes", "2", "-c", "rounds=1"]) == 1
    assert "1 round, 0 closed." in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["no/such/app"],
        ["APP", "--nodes", "0"],
        ["APP", "--nodes", "2", "--set", "quorum=3"],
        ["APP", "--set", "nothing=3"],
        ["APP", "-c", "nothing=3"],
        ["APP", "--choices", "missing.toml"],
        ["APP", "--workers", "0"],
    ],
)
def test_wrong_words_end_with_2_and_a_sentence(bench, words, capsys):
    folder = str(bench.app("tiny_cli").folder)
    assert main(["simulate", *(folder if word == "APP" else word for word in words)]) == 2
    assert capsys.readouterr().err.startswith(("error: ", "\x1b"))
    assert not (bench.folder / "runs").exists()
