"""`fl chain serve`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner
from web3 import HTTPProvider, Web3

from fl.chain.cli import app


@pytest.fixture
def serve(node):
    process = subprocess.Popen(
        [sys.executable, "-c", "from fl.chain.cli import app; app()", "serve", str(node.path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


def test_serve_shares_the_file_says_where_and_ends_cleanly(node, serve, send):
    line = serve.stdout.readline()
    assert str(node.path) in line
    assert "chain id 31337" in line
    web3 = Web3(HTTPProvider(re.search(r"http://127\.0\.0\.1:\d+", line).group()))
    receipt = send(web3, value=5)
    with node.reading() as snapshot:
        assert snapshot.has(bytes(receipt["transactionHash"]))
    serve.send_signal(signal.SIGINT)
    assert serve.wait(timeout=30) == 0
    assert serve.stderr.read() == ""


def test_a_missing_file_ends_with_a_sentence_and_exit_code_2(tmp_path):
    result = CliRunner().invoke(app, ["serve", str(tmp_path / "chain.sqlite")])
    assert result.exit_code == 2
    assert "There is no chain file" in result.output


def test_a_port_in_use_ends_with_a_sentence_and_exit_code_2(node, url):
    result = CliRunner().invoke(app, ["serve", str(node.path), "--port", url.rsplit(":", 1)[1]])
    assert result.exit_code == 2
    assert "--port" in result.output


def test_an_unknown_host_ends_with_a_sentence_and_exit_code_2(node):
    result = CliRunner().invoke(app, ["serve", str(node.path), "--host", "no.such.host.invalid"])
    assert result.exit_code == 2
    assert "no.such.host.invalid" in result.output
