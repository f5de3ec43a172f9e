"""The ledger loses nothing, counts nothing twice, and its statistics give the published numbers."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnstrategies.errors import DataError, RunFolderError
from nnstrategies.trials import (
    Contents,
    TrialLedger,
    TrialRecord,
    deflated_sharpe,
    effective_number,
    expected_best,
    listing,
    probabilistic_sharpe,
    probability_of_backtest_overfitting,
    sharpe,
)

DAYS = np.arange("2020-01-01", "2020-12-31", dtype="datetime64[D]")


def record(seed: int = 1, count: int = 60, start: int = 0, kind: str = "run", **more: object) -> TrialRecord:
    rng = np.random.default_rng(seed)
    usual = {"config": "quick", "recipe": "lstm", "identity": {"seed": seed, "lr": 0.1}, "span_days": 1}
    return TrialRecord(
        kind=kind,  # type: ignore[arg-type]
        dates=DAYS[start : start + count],
        returns=rng.normal(0.001, 0.01, count),
        portfolio="the strategy, after costs",
        **{**usual, **more},  # type: ignore[arg-type]
    )


# -- the folder ------------------------------------------------------------------------------------------------------


def test_a_trial_is_read_as_it_was_written(tmp_path):
    ledger, one = TrialLedger(tmp_path), record(values={"rank_ic": 0.1, "folds": [0.1, float("nan")]}, state="pruned")
    assert ledger.add(one)
    (found,), damaged = ledger.read().trials, ledger.read().damaged
    assert damaged == ()
    assert found.id == one.id
    assert found.told() == one.told()
    assert found.values == {"rank_ic": 0.1, "folds": [0.1, None]}
    assert found.returns.tobytes() == one.returns.tobytes()
    assert (found.dates == one.dates).all()
    assert [path.name for path in (tmp_path / "trials").iterdir()] == [f"{one.id}-pruned.parquet"]


def test_a_candidate_pruned_once_and_finished_another_time_counts_once_as_finished(tmp_path):
    """In either order: another search may give the same candidate up, or not."""
    pruned = record(1, count=40, state="pruned")
    finished = replace(record(1), identity=pruned.identity)
    for number, order in enumerate(([pruned, finished], [finished, pruned], [pruned, pruned, finished, finished])):
        ledger = TrialLedger(tmp_path / str(number))
        assert [ledger.add(one) for one in order] == [True] + [False] * (len(order) - 1)
        (found,) = ledger.read().trials
        assert (found.state, len(found.returns)) == ("complete", 60)


def test_the_same_thing_again_counts_once_whatever_it_is_called_and_whenever_it_ran(tmp_path):
    ledger, one = TrialLedger(tmp_path), record()
    assert ledger.add(one)
    before = (ledger.folder / f"{one.id}.parquet").read_bytes()
    assert not ledger.add(replace(one, config="renamed", time="2030-01-01T00:00:00+00:00"))
    assert (ledger.folder / f"{one.id}.parquet").read_bytes() == before
    assert ledger.add(replace(one, identity={"seed": 1, "lr": 0.2}))
    assert ledger.add(replace(one, kind="search"))
    assert len(ledger.read().trials) == 3


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "renamed", "other"])
def test_a_damaged_file_is_named_and_skipped_and_kept_when_its_trial_comes_again(tmp_path, how):
    ledger, one, two = TrialLedger(tmp_path), record(1), record(2)
    ledger.add(one)
    ledger.add(two)
    path = ledger.folder / f"{one.id}.parquet"
    text = path.read_bytes()
    middle = text.index(one.returns[7].tobytes()) if how == "flipped" else 0
    broken = {
        "cut": text[: len(text) // 2],
        "empty": b"",
        "flipped": text[:middle] + bytes([text[middle] ^ 1]) + text[middle + 1 :],
        "renamed": (ledger.folder / f"{two.id}.parquet").read_bytes(),
        "other": b"PAR1 this is no table PAR1",
    }[how]
    path.write_bytes(broken)
    contents = ledger.read()
    assert [trial.id for trial in contents.trials] == [two.id]
    (said,) = contents.damaged
    assert said.startswith(f"{one.id}.parquet: ")
    assert f"damaged, not counted: {said}" in listing(contents)
    assert ledger.add(one)
    contents = ledger.read()
    assert {trial.id for trial in contents.trials} == {one.id, two.id}
    (kept,) = ledger.folder.glob("*.damaged-*")
    assert kept.read_bytes() == broken
    assert contents.damaged == (f"{kept.name}: set aside when its trial was made again",)


def _add_all(folder: Path, first: int) -> None:
    for seed in range(first, first + 20):
        TrialLedger(folder).add(record(seed))


def test_many_processes_add_at_once_and_each_trial_counts_once(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add_all, args=(tmp_path, first)) for first in (0, 0, 10, 10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    contents = TrialLedger(tmp_path).read()
    assert len(contents.trials) == 30
    assert contents.damaged == ()
    assert len(list((tmp_path / "trials").iterdir())) == 30  # nothing half-written beside them


def test_a_writer_killed_at_any_moment_leaves_whole_files_only(tmp_path):
    context = multiprocessing.get_context("fork")
    for attempt in range(6):
        worker = context.Process(target=_add_all, args=(tmp_path, 20 * attempt))
        worker.start()
        time.sleep(0.004 * attempt + 0.002)
        os.kill(worker.pid, signal.SIGKILL)  # type: ignore[arg-type]
        worker.join()
    assert TrialLedger(tmp_path).read().damaged == ()
    _add_all(tmp_path, 0)
    assert len(TrialLedger(tmp_path).read().trials) >= 20


def test_a_folder_that_cannot_be_written_is_an_error_that_says_so(tmp_path):
    (tmp_path / "trials").write_text("a file in its place")
    with pytest.raises(RunFolderError, match="cannot be written"):
        TrialLedger(tmp_path).add(record())


def test_a_file_system_without_links_will_do(tmp_path, monkeypatch):
    def refuse(*paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert TrialLedger(tmp_path).add(record())
    assert not TrialLedger(tmp_path).add(record())
    assert len(list((tmp_path / "trials").iterdir())) == 1


def test_an_empty_ledger_reads_as_none(tmp_path):
    assert TrialLedger(tmp_path / "none").read() == Contents((), ())
    assert listing(TrialLedger(tmp_path).read())[0].startswith("no trials yet")


def test_returns_that_are_none_are_refused():
    with pytest.raises(DataError, match="expected finite returns on rising dates"):
        replace(record(), returns=np.full(60, np.nan))
    with pytest.raises(DataError, match="rising dates"):
        replace(record(), dates=DAYS[:60][::-1])


# -- statistics ------------------------------------------------------------------------------------------------------


def test_deflated_sharpe_ratio_of_the_papers_example():
    """Bailey and Lopez de Prado (2014), "A numerical example": Sharpe ratio 2.5 a year over 1,250 days of 250 a year,
    variance 1/2 over trials, skewness -3, kurtosis 10."""
    found, variance = 2.5 / math.sqrt(250), 0.5 / 250
    assert expected_best(100, variance) == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(found, expected_best(100, variance), 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)
    assert probabilistic_sharpe(found, expected_best(46, variance), 1250, -3, 10) == pytest.approx(0.9505, abs=5e-5)
    assert probabilistic_sharpe(found, expected_best(88, variance), 1250) == pytest.approx(0.9505, abs=5e-5)


def test_deflated_sharpe_takes_its_moments_from_the_returns():
    returns = np.random.default_rng(3).standard_t(5, 800) * 0.01 + 0.001
    z = (returns - returns.mean()) / returns.std()
    expected = probabilistic_sharpe(sharpe(returns), expected_best(12, 0.002), 800, np.mean(z**3), np.mean(z**4))
    assert deflated_sharpe(returns, 12, 0.002) == pytest.approx(expected, abs=1e-12)
    assert deflated_sharpe(returns, 1, 0.002) == pytest.approx(
        probabilistic_sharpe(sharpe(returns), 0.0, 800, np.mean(z**3), np.mean(z**4))
    )
    assert math.isnan(deflated_sharpe(np.zeros(50), 12, 0.002))


def test_the_best_of_worthless_trials_is_as_high_as_expected():
    """Against simulation: 400 draws of the highest of 50 Sharpe ratios."""
    rng = np.random.default_rng(0)
    highest = rng.normal(0, 0.2, (4000, 50)).max(axis=1)
    assert expected_best(50, 0.04) == pytest.approx(highest.mean(), rel=0.02)
    assert expected_best(1, 0.04) == 0.0


def test_a_deflated_sharpe_ratio_of_noise_is_uniform_enough_to_be_trusted():
    """The best of 20 worthless strategies: deflated it lies above 0.95 in few of 200 draws, plain in most."""
    rng = np.random.default_rng(7)
    deflated, plain = [], []
    for _ in range(200):
        table = rng.normal(0, 0.01, (500, 20))
        ratios = [sharpe(column) for column in table.T]
        best = table[:, int(np.argmax(ratios))]
        deflated.append(deflated_sharpe(best, 20, float(np.var(ratios, ddof=1))))
        plain.append(deflated_sharpe(best, 1, 0.0))
    assert np.mean(np.array(deflated) > 0.95) <= 0.06
    assert np.mean(np.array(plain) > 0.95) > 0.5


def test_the_effective_number_lies_between_one_and_all():
    rng = np.random.default_rng(1)
    common = rng.normal(size=200)
    apart = [replace(record(n, 200), returns=rng.normal(size=200)) for n in range(8)]
    near = [replace(record(n, 200), returns=common + 0.01 * rng.normal(size=200)) for n in range(8)]
    assert effective_number(apart) == pytest.approx(8, abs=0.6)
    assert effective_number(near) == pytest.approx(1, abs=0.01)
    assert effective_number([]) == 0
    assert effective_number(near[:1]) == 1
    assert effective_number([near[0], replace(near[1], span_days=10)]) == 2  # other spans cannot be compared


def test_the_effective_number_uses_the_mean_correlation_on_shared_dates():
    rng = np.random.default_rng(2)
    spans = [(0, 200), (50, 150), (120, 200), (300, 60), (190, 30)]
    trials = [
        replace(record(n, count, start), returns=rng.normal(size=count) + np.sin(np.arange(start, start + count)))
        for n, (start, count) in enumerate(spans)
    ]
    pairs = []
    for a, b in itertools.combinations(trials, 2):
        shared, i, j = np.intersect1d(a.dates, b.dates, return_indices=True)
        pairs.append(np.corrcoef(a.returns[i], b.returns[j])[0, 1] if len(shared) >= 20 else 0.0)
    rho = np.mean(pairs)
    assert rho > 0.05
    assert effective_number(trials) == pytest.approx(rho + (1 - rho) * 5, abs=1e-9)


def overfitting_by_hand(returns: np.ndarray, blocks: int) -> list[float]:
    """Section 3 of the paper, step by step."""
    T, N = returns.shape
    parts = np.split(returns, blocks)
    logits = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[b] for b in chosen])
        outside = np.concatenate([parts[b] for b in range(blocks) if b not in chosen])
        best = np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1))
        ratios = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        rank = 1 + np.sum(ratios < ratios[best])
        logits.append(np.log(rank / (N + 1 - rank)))
    return logits


@given(seed=st.integers(0, 10_000), trials=st.integers(2, 6), blocks=st.sampled_from([2, 4, 6]))
def test_overfitting_equals_the_papers_steps(seed, trials, blocks):
    returns = np.random.default_rng(seed).normal(0.001, 0.01, (blocks * 5, trials))
    found, by_hand = probability_of_backtest_overfitting(returns, blocks), overfitting_by_hand(returns, blocks)
    assert found.logits == pytest.approx(by_hand, abs=1e-9)
    assert found.probability == np.mean(np.asarray(by_hand) <= 1e-12)


def test_overfitting_is_certain_where_the_better_half_always_loses_and_absent_where_one_is_better():
    rng = np.random.default_rng(4)
    better = rng.normal(0, 0.01, (160, 10))
    better[:, 3] += 0.02
    assert probability_of_backtest_overfitting(better, 8).probability == 0.0
    # One trial shines in each block and is bad in all others: whoever shone inside is below the rest outside.
    turns = rng.normal(0, 0.001, (160, 8))
    for block in range(8):
        turns[20 * block : 20 * (block + 1), block] += 0.05
    assert probability_of_backtest_overfitting(turns, 8).probability == 1.0


def test_overfitting_of_noise_is_more_likely_than_not():
    """Above a half: what is good in one half of a fixed sample tends to be the worse in the other."""
    rng = np.random.default_rng(5)
    found = [probability_of_backtest_overfitting(rng.normal(size=(80, 10)), 8).probability for _ in range(60)]
    assert 0.5 < np.mean(found) < 0.65


def test_too_little_to_compare_is_refused():
    for shape, blocks in (((40, 1), 4), ((40, 3), 5), ((7, 3), 4)):
        with pytest.raises(DataError, match="at least 2 trials over an even number of blocks"):
            probability_of_backtest_overfitting(np.ones(shape), blocks)
    with pytest.raises(DataError, match="expected a return of every trial on every date"):
        probability_of_backtest_overfitting(np.full((40, 3), np.nan), 4)


def test_the_listing_counts_by_kind_and_config_and_deflates_the_best():
    trials = [record(n, 250, kind="search", span_days=10) for n in range(5)]
    trials += [record(90 + n, 250, config="other", recipe="ridge") for n in range(2)]
    trials.append(record(99, 20, kind="search", span_days=10, state="pruned"))
    text = "\n".join(listing(Contents(tuple(trials), ())))
    assert "8 different trials" in text
    assert "searches: 6 trials, 1 of them pruned; as " in text
    assert "runs: 2 trials; as " in text
    assert "best: other/ridge" in text
    best = max(trials[5:7], key=lambda one: sharpe(one.returns))
    ratios = [sharpe(one.returns) for one in trials[5:7]]
    chance = deflated_sharpe(best.returns, effective_number(trials[5:7]), float(np.var(ratios, ddof=1)))
    assert f"{best.id}, Sharpe ratio {sharpe(best.returns) * math.sqrt(252):.2f} a year" in text
    assert f"above 0 with probability {chance:.2f}" in text
    day = trials[0].time[:10]
    assert text.splitlines()[-2:] == [f"other/ridge         0     2  {day}", f"quick/lstm          6     0  {day}"]
