import json
import shutil
from pathlib import Path

import pytest

from fl.errors import UsageError
from fl.ledger.compile import ARTIFACTS, CONTRACTS, PROJECT, compile_contracts, stale, write

CODE_SIZE_LIMIT = 24_576  # EIP-170


@pytest.mark.slow
def test_the_committed_artifacts_are_what_the_sources_compile_to_in_any_folder(tmp_path: Path) -> None:
    compiled = compile_contracts(copy_of_the_project(tmp_path))
    for name in CONTRACTS:
        assert (ARTIFACTS / f"{name}.json").read_text("utf-8") == compiled[name]


@pytest.mark.slow
def test_sources_that_do_not_compile_are_an_error_for_people(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path)
    (project / "src" / "FederationToken.sol").write_text("contract FederationToken {", "utf-8")
    with pytest.raises(UsageError, match="do not compile"):
        compile_contracts(project)


def test_without_the_compiler_the_error_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        compile_contracts(tmp_path)
    assert "make tools" in error.value.hint


def test_an_altered_or_missing_artifact_is_stale(tmp_path: Path) -> None:
    artifacts = {"Federation": "{}\n", "FederationToken": "[]\n"}
    assert stale(artifacts, tmp_path) == ["Federation", "FederationToken"]
    write(artifacts, tmp_path)
    assert stale(artifacts, tmp_path) == []
    (tmp_path / "Federation.json").write_text("{} \n", "utf-8")
    assert stale(artifacts, tmp_path) == ["Federation"]


@pytest.mark.parametrize("name", CONTRACTS)
def test_an_artifact_can_be_deployed(name: str) -> None:
    artifact = json.loads((ARTIFACTS / f"{name}.json").read_text("utf-8"))
    assert artifact["contractName"] == name
    assert artifact["settings"]["evmVersion"] == "prague"
    assert bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
    assert len(bytes.fromhex(artifact["deployedBytecode"].removeprefix("0x"))) <= CODE_SIZE_LIMIT


def copy_of_the_project(folder: Path) -> Path:
    project = folder / "contracts"
    shutil.copytree(PROJECT / "src", project / "src")
    for name in ("foundry.toml", "solc.js"):
        shutil.copy(PROJECT / name, project / name)
    (project / "node_modules").symlink_to(PROJECT / "node_modules")
    return project
