"""Training: it learns, it is repeatable, and a killed one ends as if it had never stopped."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from qsearch.classifiers.textures_cnn import WEIGHTS, read_weights, trained_network
from qsearch.errors import DiskError, InputError, RunError
from qsearch.finetuning.training import Examples, Schedule, train

SCHEDULE = Schedule(epochs=3, batch=4, learning_rate=0.01, seed=5, threads=1)


def examples(count: int = 10) -> Examples:
    random = np.random.default_rng(3)
    return Examples(random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count) % 12)


def network() -> Any:
    return trained_network(read_weights(WEIGHTS))


def weights_of(module: Any) -> dict[str, npt.NDArray[np.generic]]:
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def trained(path: Path, schedule: Schedule = SCHEDULE) -> tuple[list[float], dict[str, npt.NDArray[np.generic]]]:
    module = network()
    losses = train(module, examples(), schedule, "cpu", path)
    return losses, weights_of(module)


class Killed(BaseException):
    """What a signal would do."""


def test_it_learns_and_leaves_statistics_alone(tmp_path: Path) -> None:
    losses, weights = trained(tmp_path / "a.pt")
    assert len(losses) == 3
    assert losses[2] < losses[0]
    before = weights_of(network())
    changed = {name for name in before if not np.array_equal(before[name], weights[name])}
    assert any("weight" in name for name in changed)
    assert not any("running" in name or "num_batches" in name for name in changed)


def test_the_same_again(tmp_path: Path) -> None:
    import torch

    losses, weights = trained(tmp_path / "a.pt")
    torch.manual_seed(99)  # what the rest of the program drew does not matter
    again, same = trained(tmp_path / "b.pt")
    assert again == losses
    for name, array in weights.items():
        np.testing.assert_array_equal(same[name], array)
    assert trained(tmp_path / "c.pt", Schedule(3, 4, 0.01, 6, 1))[0] != losses


@pytest.mark.parametrize("killed_at", [1, 4, 7])
def test_a_killed_training_ends_as_if_never_killed(tmp_path: Path, killed_at: int) -> None:
    """Three batches an epoch: killed in the first, the second, the third."""
    losses, weights = trained(tmp_path / "whole.pt")

    def kill(done: int, total: int) -> None:
        assert total == 9
        if done == killed_at:
            raise Killed

    with pytest.raises(Killed):
        train(network(), examples(), SCHEDULE, "cpu", tmp_path / "killed.pt", kill)
    heard: list[int] = []
    module = network()
    resumed = train(module, examples(), SCHEDULE, "cpu", tmp_path / "killed.pt", lambda done, total: heard.append(done))
    assert resumed == losses
    assert heard == list(range(3 * ((killed_at - 1) // 3) + 1, 10))
    for name, array in weights_of(module).items():
        np.testing.assert_array_equal(array, weights[name])


def test_dropout_goes_on_where_it_was(tmp_path: Path) -> None:
    import torch

    def build() -> torch.nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return torch.nn.Sequential(
                torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(48, 12)
            )

    whole, killed = build(), build()
    losses = train(whole, examples(), SCHEDULE, "cpu", tmp_path / "whole.pt")

    def kill(done: int, total: int) -> None:
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        train(killed, examples(), SCHEDULE, "cpu", tmp_path / "killed.pt", kill)
    resumed = build()
    assert train(resumed, examples(), SCHEDULE, "cpu", tmp_path / "killed.pt") == losses
    np.testing.assert_array_equal(weights_of(resumed)["3.weight"], weights_of(whole)["3.weight"])
    assert not resumed.training


def test_a_finished_training_is_only_loaded(tmp_path: Path) -> None:
    losses, weights = trained(tmp_path / "a.pt")
    module = network()

    def never(done: int, total: int) -> None:
        raise AssertionError("a batch was trained")

    assert train(module, examples(), SCHEDULE, "cpu", tmp_path / "a.pt", never) == losses
    np.testing.assert_array_equal(weights_of(module)["1.weight"], weights["1.weight"])


def test_torch_is_left_as_it_was(tmp_path: Path) -> None:
    import torch

    module = network()
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    train(module, examples(), SCHEDULE, "cpu", tmp_path / "a.pt")
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_training_that_diverges_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"diverged in epoch 1 .*give a --learning-rate below 1e\+20"):
        trained(tmp_path / "a.pt", Schedule(3, 4, 1e20, 5, 1))
    assert not (tmp_path / "a.pt").exists()


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    trained(tmp_path / "a.pt", Schedule(1, 4, 0.01, 5, 1))
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"a\.pt cannot be read .*: delete it"):
        trained(tmp_path / "a.pt")


def test_a_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot be written"):
        trained(tmp_path / "nowhere" / "a.pt")
