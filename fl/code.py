"""The digest of the code that trains: what terms approve and details declare, without a Flower bundle."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

from fl.canonical import sha256
from fl.errors import UsageError


def code_digest(files: Mapping[str, bytes]) -> bytes:
    """SHA-256 of the `listing` of files by relative path."""
    return sha256(listing({path: sha256(data) for path, data in files.items()}))


def listing(digests: Mapping[str, bytes]) -> bytes:
    """Files by relative path as text, in the order of the paths: one line `digest  path` a file.

    The lines are those of sha256sum, so a digest over them can be found by hand. Raises UsageError for no
    files at all, and for a path with a line break.
    """
    if not digests or any("\n" in path for path in digests):
        raise UsageError("A digest of files is made of at least one, and no path holds a line break.")
    lines = "".join(f"{digests[path].hex()}  {path}\n" for path in sorted(digests))
    return lines.encode(errors="surrogateescape")  # a name that is not UTF-8 has its own bytes


def installed_code(*names: str) -> bytes:
    """The code digest of modules, and of packages with everything below them, where Python finds them.

    Paths start at the top package: `fl/learning/models.py`. A package has the same digest in its own folder
    as in Flower's bundle of it, which leaves tests out (`test_*.py`, `*_test.py`).
    Raises UsageError for a name that is not installed as source files.
    """
    return code_digest({path: data for name in names for path, data in _sources(name)})


def _sources(name: str) -> Iterator[tuple[str, bytes]]:
    place = name.replace(".", "/")
    for file, below in _files(name):
        yield f"{place}{below}", file.read_bytes()


def _files(name: str) -> Iterator[tuple[Path, str]]:
    """Source files of a module or package, each with its path below the name's own."""
    missing = UsageError(
        f"There is no installed code called {name!r}.",
        "It is the name of a package or module, as in an import. `fl site join --app` looks into a folder.",
    )
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError) as error:  # no parent package; a name such as ".."
        raise missing from error
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise missing
    if spec.submodule_search_locations is None:
        yield Path(spec.origin), ".py"
        return
    folder = Path(spec.origin).parent
    for file in folder.rglob("*.py"):
        if not file.name.startswith("test_") and not file.stem.endswith("_test"):
            yield file, f"/{file.relative_to(folder).as_posix()}"
