"""The digest of the code that trains: what terms approve and details declare, without a Flower bundle."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

from fl.canonical import sha256
from fl.errors import UsageError


def code_digest(files: Mapping[str, bytes]) -> bytes:
    """SHA-256 over files by relative path, in the order of the paths: one line `digest  path` a file.

    The lines are those of sha256sum, so the digest can be found by hand. Raises UsageError for no files at
    all, and for a path with a line break.
    """
    if not files or any("\n" in path for path in files):
        raise UsageError("A code digest is made of at least one file, and no path holds a line break.")
    return sha256("".join(f"{sha256(files[path]).hex()}  {path}\n" for path in sorted(files)).encode())


def installed_code(*names: str) -> bytes:
    """The code digest of installed modules, and of packages with everything below them.

    Paths start at the top package: `fl/learning/models.py`. Raises UsageError for a name that is not
    installed as source files.
    """
    return code_digest({path: data for name in names for path, data in _sources(name)})


def _sources(name: str) -> Iterator[tuple[str, bytes]]:
    place = name.replace(".", "/")
    for file, below in _files(name):
        yield f"{place}{below}", file.read_bytes()


def _files(name: str) -> Iterator[tuple[Path, str]]:
    """Source files of a module or package, each with its path below the name's own."""
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError) as error:  # no parent package; a name such as ".."
        raise UsageError(f"There is no installed code called {name!r}.") from error
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise UsageError(f"There is no installed code called {name!r}.")
    if spec.submodule_search_locations is None:
        yield Path(spec.origin), ".py"
        return
    folder = Path(spec.origin).parent
    for file in folder.rglob("*.py"):
        yield file, f"/{file.relative_to(folder).as_posix()}"
