"""A run's folder after a crash: nothing half-written is taken for whole, and nothing of others is removed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import folder as folders
from experiments import plots
from experiments import run as runner
from experiments.config import RunConfig
from experiments.loading import load
from experiments.parts import divide
from experiments.progress import Silent
from experiments.results import Results
from experiments.setup import set_up
from fl import files
from fl.errors import UsageError
from fl.wiring import Deployment

CONFIG = ("rounds=1", "trainers=2", "training.epochs=1")


@pytest.fixture
def config() -> RunConfig:
    return load(overrides=CONFIG)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def die_while_writing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """From now on the process ends in the middle of writing the file of this name, its part left behind."""
    real = files.write_new

    def arrange(name: str) -> None:
        def write_new(path: Path, data: bytes, mode: int = files.READABLE) -> None:
            if not path.name.startswith(f"{name}."):
                return real(path, data, mode)
            real(path, data[: len(data) // 2], mode)
            monkeypatch.setattr(Path, "unlink", lambda *_a, **_k: None)  # a dead process tidies nothing up
            raise Killed

        monkeypatch.setattr(files, "write_new", write_new)

    return arrange


def test_results_that_were_being_written_again_are_the_earlier_ones(
    results: Results, tmp_path: Path, die_while_writing: Callable[[str], None]
) -> None:
    results.write(tmp_path)
    die_while_writing(folders.RESULTS)
    with pytest.raises(Killed):
        results.write(tmp_path)
    assert Results.read(tmp_path) == results


def test_a_picture_is_whole_or_not_there(
    results: Results, tmp_path: Path, die_while_writing: Callable[[str], None]
) -> None:
    die_while_writing(folders.METRICS_PLOT)
    with pytest.raises(Killed):
        plots.draw(results, tmp_path)
    assert not (tmp_path / folders.METRICS_PLOT).exists()


def test_a_run_killed_while_its_configuration_is_written_has_not_begun_and_begins_in_the_same_folder(
    config: RunConfig,
    tmp_path: Path,
    die_while_writing: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    die_while_writing(folders.CONFIG)
    with pytest.raises(Killed):
        runner.run(config, out, Silent())
    monkeypatch.undo()
    assert [path.suffix for path in out.iterdir()] == [".part"]
    with pytest.raises(UsageError, match=r"holds no config\.toml"):
        folders.existing(out)
    with folders.new_folder(out, config.name, config.seed) as again:
        assert again == out


def test_parts_that_a_killed_process_left_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("results.json", "results.json.0a1b.part", "chain.sqlite"):
        (tmp_path / name).write_text("x")
    folders.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "chain.sqlite"}


@pytest.mark.parametrize(
    "left",
    [
        "sites/site-1/outbox/receipts/1-1.json.0a1b.part",
        "sites/site-1/outbox/salt.0a1b.part",
        "store/partial/0a",
    ],
)
def test_receipts_and_blocks_that_were_being_written_are_swept_too(tmp_path: Path, left: str) -> None:
    whole = [tmp_path / name for name in ("sites/site-1/outbox/receipts/1-1.json", "store/blocks/0a/0a1b")]
    for path in (*whole, tmp_path / left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    folders.sweep(tmp_path)
    assert [path for path in sorted(tmp_path.rglob("*")) if path.is_file()] == sorted(whole)


def test_a_folder_that_a_run_is_at_work_in_is_left_to_it_until_it_ends(tmp_path: Path) -> None:
    with (
        folders.alone(tmp_path),
        pytest.raises(UsageError, match="Another process is at work"),
        folders.alone(tmp_path),
    ):
        pass
    with folders.alone(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_set_up_that_is_done_again_removes_its_own_leavings_and_nobody_elses(
    config: RunConfig, tmp_path: Path
) -> None:
    leavings = ("chain.sqlite", "chain.sqlite-wal", ".chain.sqlite.1f2e", "test.safetensors")
    others = ("notes.txt", "patients.csv", "config.toml")
    for name in (*leavings, *others):
        (tmp_path / name).write_text("from before")
    for name in ("keys", "sites", "store"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "left").write_text("from before")
    set_up(config, tmp_path, divide(config))
    assert Deployment.exists(tmp_path)
    assert {name for name in others if (tmp_path / name).read_text() == "from before"} == set(others)
    assert not (tmp_path / ".chain.sqlite.1f2e").exists()
    assert list(tmp_path.glob("*/left")) == []
