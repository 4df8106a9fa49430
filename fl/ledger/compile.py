"""Compile the contracts and keep their ABI and bytecode as JSON beside this module.

`python -m fl.ledger.compile` writes the artifacts, `--check` only compares them. Both need a checkout with
`make tools` done; an installed package has the artifacts and never compiles. The compiler and its settings
are those of `contracts/foundry.toml`, so forge tests what is deployed. The bytecode carries no metadata
hash: the same sources give the same bytes in every folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import solcx
from solcx.exceptions import SolcError

from fl.errors import FedledgerError, UsageError

PROJECT = Path(__file__).parents[2] / "contracts"
ARTIFACTS = Path(__file__).parent / "artifacts"
CONTRACTS = ("Federation", "FederationToken")

_OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]


def compile_contracts(project: Path = PROJECT) -> dict[str, str]:
    """Compile the Foundry project and return each contract's artifact as JSON text, by contract name.

    Raises UsageError when the project or its tools are not there, or the sources do not compile.
    """
    profile = _profile(project)
    compiler = (project / profile["solc"]).resolve()
    settings = compiler_settings(profile)
    request = {
        "language": "Solidity",
        "sources": {f"src/{name}.sol": _source(project, name) for name in CONTRACTS},
        "settings": {**settings, "outputSelection": {"*": dict.fromkeys(CONTRACTS, _OUTPUTS)}},
    }
    try:
        output = solcx.compile_standard(request, solc_binary=compiler)
    except SolcError as error:
        raise UsageError(f"The contracts do not compile: {error.message}") from error
    version = json.loads((project / "node_modules" / "solc" / "package.json").read_text("utf-8"))["version"]
    return {name: _artifact(name, output, version, settings) for name in CONTRACTS}


def compiler_settings(profile: dict[str, Any]) -> dict[str, Any]:
    """Return a foundry.toml profile's compiler settings in the words of solc's standard JSON."""
    return {
        "evmVersion": profile["evm_version"],
        "metadata": {"appendCBOR": profile["cbor_metadata"], "bytecodeHash": profile["bytecode_hash"]},
        "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
        "remappings": profile["remappings"],
        "viaIR": profile["via_ir"],
    }


def stale(artifacts: dict[str, str], folder: Path = ARTIFACTS) -> list[str]:
    """Return the names of the contracts whose file in `folder` is missing or says something else."""
    return [name for name, text in artifacts.items() if _read(folder / f"{name}.json") != text]


def write(artifacts: dict[str, str], folder: Path = ARTIFACTS) -> None:
    """Write one `<contract>.json` each."""
    for name, text in artifacts.items():
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def _profile(project: Path) -> dict[str, Any]:
    if shutil.which("node") is None or not (project / "node_modules" / "solc").is_dir():
        raise UsageError(
            f"The Solidity compiler needs Node, and npm's `solc` in {project}.",
            "Run `make tools` (which runs `npm install` there) in a checkout of the repository.",
        )
    with (project / "foundry.toml").open("rb") as file:
        profile: dict[str, Any] = tomllib.load(file)["profile"]["default"]
    return profile


def _source(project: Path, name: str) -> dict[str, str]:
    return {"content": (project / "src" / f"{name}.sol").read_text(encoding="utf-8")}


def _artifact(name: str, output: dict[str, Any], compiler: str, settings: dict[str, Any]) -> str:
    contract = output["contracts"][f"src/{name}.sol"][name]
    artifact = {
        "contractName": name,
        "compiler": compiler,
        "settings": settings,
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + contract["evm"]["deployedBytecode"]["object"],
    }
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def main() -> int:
    """Write the artifacts, or with `--check` say which are stale. Return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m fl.ledger.compile", description="Compile the contracts.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if an artifact is stale")
    options = parser.parse_args()
    try:
        artifacts = compile_contracts()
    except FedledgerError as error:
        print(error.message, error.hint, file=sys.stderr)
        return 2
    old = stale(artifacts)
    if options.check and old:
        print(f"Stale: {', '.join(old)}. Run `python -m fl.ledger.compile`.", file=sys.stderr)
        return 1
    if not options.check:
        write(artifacts)
    print(f"{len(artifacts)} contracts, {len(old)} {'stale' if options.check else 'updated'}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
