"""Searches see only the past, go on after a kill as if nothing had happened, and say how flattering their value is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.stats import spearmanr

from nnstrategies.errors import ConfigError, FitError, RegistryError
from nnstrategies.evidence import mean_rank_ic
from nnstrategies.feeds.simulated import SimulatedMarket, simulate
from nnstrategies.predictors import score
from nnstrategies.search import (
    Choice,
    ChoiceTimeline,
    FoldResult,
    SearchSettings,
    Trial,
    cv_folds,
    search_as_of,
    search_rows,
    with_values,
)
from nnstrategies.search.judge import judge
from nnstrategies.search.propose import observations
from nnstrategies.search.search import _pruned
from nnstrategies.training import (
    EnsembleRecipe,
    GroupedRecipe,
    LogisticRecipe,
    MomentumRecipe,
    RidgeRecipe,
    walk_forward,
)
from tests.causality import replace_future
from tests.small_samples import ALL, LSTM, NAMES, market_samples, samples_of

ASOF = 370
RIDGE = RidgeRecipe()
GP = SearchSettings(
    "ridge",
    {"penalty": {"low": 1e-4, "high": 10, "log": True}, "target": ["rank", "standardised"]},
    trials=14,
    folds=3,
    valid_days=25,
)
GRID = replace(GP, method="grid", space={"penalty": [0.001, 0.1, 1.0], "stride_days": [1, 2]}, prune=False)


@dataclass(frozen=True)
class Watching:
    """Ridge that notes what it was given."""

    name: str = "watching"
    penalty: float = 0.01
    seen: list[tuple[int, int]] = field(default_factory=list, compare=False)
    seeded: ClassVar[bool] = False

    def fit(self, samples: Any, asof: int, seed: int, incumbent: Any = None, progress: Any = None) -> Any:
        self.seen.append((samples.T, asof))
        return RidgeRecipe(penalty=self.penalty).fit(samples, asof, seed)


# -- only the past ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "recipe"), [(GP, RIDGE), (GRID, RIDGE)])
def test_noise_after_asof_changes_no_trial_and_no_choice(settings, recipe):
    panel, samples = market_samples()
    noisy = samples_of(replace_future(panel, ASOF, np.random.default_rng(5)))
    one, other = (search_as_of(s, ASOF, recipe, settings) for s in (samples, noisy))
    assert other == one
    assert other.trials == one.trials
    assert other.to_json() == one.to_json()


def test_noise_after_asof_changes_no_search_of_a_network():
    panel, samples = market_samples()
    noisy = samples_of(replace_future(panel, ASOF, np.random.default_rng(6)))
    settings = SearchSettings("lstm", {"lr": [0.003, 0.03]}, method="grid", folds=2, valid_days=20)
    one, other = (search_as_of(s, ASOF, replace(LSTM, epochs=1), settings) for s in (samples, noisy))
    assert other.trials == one.trials


def test_the_past_does_matter():
    """The checks above would hold for a search that looks at nothing."""
    panel, samples = market_samples()
    noisy = samples_of(replace_future(panel, ASOF - 10, np.random.default_rng(5)))
    assert search_as_of(noisy, ASOF, RIDGE, GRID).trials != search_as_of(samples, ASOF, RIDGE, GRID).trials


def test_no_fit_sees_a_label_of_the_fold_it_is_judged_on_and_none_ends_after_asof():
    panel, samples = market_samples()
    watching = Watching()
    settings = replace(GRID, space={"penalty": [0.1, 1.0]}, embargo_days=3)
    choice = search_as_of(samples, ASOF, watching, settings)
    folds = cv_folds(ASOF, 3, 25, 3)
    assert watching.seen == [(ASOF + 1, fold.asof) for _ in range(2) for fold in folds]
    for fold, result in zip(folds, choice.trials[0].folds, strict=True):
        assert fold.valid.first - fold.asof == 4  # the day after, and the embargo
        used = samples.upto(fold.asof).labels.end
        assert used.max() <= fold.asof < fold.valid.first
        assert panel.sessions[fold.asof].item() == result.fitted < result.first <= result.label_end <= result.last
    assert folds[-1].valid.last == ASOF
    assert [f.valid.last + 1 for f in folds[:-1]] == [f.valid.first for f in folds[1:]]
    assert choice.labels_through <= choice.asof == panel.sessions[ASOF].item()


def test_too_little_past_is_refused():
    samples = market_samples()[1]
    with pytest.raises(
        FitError, match="5 folds of 63 sessions with 0 embargo days need more than 315 sessions, got 201"
    ):
        search_as_of(samples, 200, RIDGE, SearchSettings("ridge", GRID.space, method="grid"))
    with pytest.raises(FitError, match=r"none of 2 candidates could be judged; the first, .*make valid_days longer"):
        search_as_of(samples, ASOF, RIDGE, replace(GRID, space={"penalty": [1, 2]}, valid_days=4))


# -- what a fold is worth --------------------------------------------------------------------------------------------


def judged(name: str, objective: str, kind: str = "buy_hold_sell") -> tuple[FoldResult, Any, Any, Any]:
    samples = market_samples(kind)[1].upto(ASOF)
    (fold,) = cv_folds(ASOF, 1, 30)
    version = ALL[name].fit(samples, fold.asof, seed=1)
    return judge(version, samples, fold, objective), version, samples, fold


def test_rank_ic_of_a_fold_is_the_mean_of_its_dates():
    result, version, samples, fold = judged("lstm", "rank_ic")
    values = []
    for t in range(fold.valid.first, ASOF + 1):
        out = version.predict(samples.features, samples.mask[t], t)[:, 0]
        usable = np.isfinite(out) & np.isfinite(samples.labels.returns[t]) & (samples.labels.end[t] <= ASOF)
        if usable.sum() >= 3:
            values.append(spearmanr(out[usable], samples.labels.returns[t, usable]).statistic)
    assert result.value == result.rank_ic == pytest.approx(np.mean(values), abs=1e-12)


@pytest.mark.parametrize("kind", ["buy_hold_sell", "up_down"])
def test_accuracy_and_loss_of_a_fold_count_every_label(kind):
    accuracy, version, samples, fold = judged("lstm", "accuracy", kind)
    loss = judged("lstm", "loss", kind)[0]
    right, surprise = [], []
    for t, n in zip(*samples.rows(*fold.valid), strict=True):
        out = version.predict(samples.features, samples.mask[t], t)[n].astype(float)
        p = out[1:] if kind == "buy_hold_sell" else np.array([1 - out[1], out[1]])
        right.append(p.argmax() == samples.labels.values[t, n])
        surprise.append(-np.log(p[int(samples.labels.values[t, n])]))
    assert accuracy.value == pytest.approx(np.mean(right), abs=1e-12)
    assert loss.value == pytest.approx(np.mean(surprise), abs=1e-9)
    assert loss.rank_ic == accuracy.rank_ic != accuracy.value


def test_an_ensembles_spread_is_no_class():
    _, samples = market_samples("up_down")
    known, (fold,) = samples.upto(ASOF), cv_folds(ASOF, 1, 40)
    member = replace(LSTM, epochs=1)
    ensemble = EnsembleRecipe({"one": member}, seeds=(1,), weights="equal").fit(known, fold.asof, 1)
    alone = ensemble.parts[0].version
    for objective in ("accuracy", "loss"):
        assert judge(ensemble, known, fold, objective).value == judge(alone, known, fold, objective).value


def test_the_loss_of_a_return_label_is_that_of_standardised_returns():
    result = judged("lstm", "loss", "return")[0]
    assert 0.5 < result.value < 2.0
    for name, kind in (("ridge", "return"), ("ridge", "buy_hold_sell")):
        with pytest.raises(ConfigError, match=r"needs a recipe that .*; ridge gives score; take rank_ic"):
            judged(name, "loss", kind)


def test_returns_of_a_fold_are_the_top_fifth_less_all_over_spans_that_do_not_overlap():
    result, version, samples, fold = judged("ridge", "rank_ic")
    days = [np.datetime64(day) for day, _ in result.returns]
    rows = np.searchsorted(samples.features.sessions, days)
    assert (np.diff(rows) >= samples.labels.horizon_days).all()
    assert rows.max() + 1 + samples.labels.horizon_days <= ASOF
    t, value = int(rows[1]), result.returns[1][1]
    out = version.predict(samples.features, samples.mask[t], t)[:, 0].astype(float)
    returns = samples.labels.returns[t].astype(float)
    usable = np.isfinite(out) & np.isfinite(returns)
    top = usable & (out > np.quantile(out[usable], 0.8))
    assert value == pytest.approx(returns[top].mean() - returns[usable].mean(), abs=1e-7)


def test_equal_scores_are_no_candidate():
    samples = market_samples()[1].upto(ASOF)
    (fold,) = cv_folds(ASOF, 1, 30)
    flat = replace(RIDGE.fit(samples, fold.asof, 1), arrays={"coefficients": np.zeros(5), "intercept": np.zeros(1)})
    with pytest.raises(FitError, match="no rank_ic: the scores of each date are equal"):
        judge(flat, samples, fold, "rank_ic")


# -- the choice ------------------------------------------------------------------------------------------------------


def test_a_grid_chooses_the_best_mean_over_folds_and_the_earlier_of_equals():
    samples = market_samples()[1]
    choice = search_as_of(samples, ASOF, RIDGE, GRID)
    assert [trial.params for trial in choice.trials] == [
        {"penalty": p, "stride_days": s} for p in (0.001, 0.1, 1.0) for s in (1, 2)
    ]
    best = max(choice.trials, key=lambda trial: np.mean([fold.value for fold in trial.folds]))
    assert choice.params == best.params
    assert choice.spread == pytest.approx(np.std([fold.value for fold in best.folds], ddof=1))
    same = search_as_of(samples, ASOF, ALL["momentum"], replace(GRID, space={"feature": ["ret_1", "volatility_20"]}))
    twice = replace(GRID, space={"name": ["a", "b"]})
    assert same.params["feature"] in ("ret_1", "volatility_20")
    with pytest.raises(ConfigError, match="no such setting"):
        search_as_of(samples, ASOF, RIDGE, twice)


def test_the_lowest_loss_is_chosen():
    samples = market_samples()[1]
    settings = SearchSettings("lstm", {"lr": [0.003, 3.0]}, "grid", folds=1, valid_days=30, objective="loss")
    choice = search_as_of(samples, ASOF, replace(LSTM, epochs=1, clip_norm=100.0), settings)
    values = {trial.params["lr"]: trial.value for trial in choice.trials}
    assert choice.params["lr"] == min(values, key=values.__getitem__) == 0.003


def test_impossible_combinations_are_told_with_their_reason_and_the_others_go_on():
    samples = market_samples()[1]
    recipe = replace(LSTM, epochs=1, lr_decay=0.9)
    settings = SearchSettings("lstm", {"schedule.kind": ["cosine", "step"]}, "grid", folds=1, valid_days=30)
    choice = search_as_of(samples, ASOF, recipe, settings)
    assert [trial.state for trial in choice.trials] == ["impossible", "complete"]
    assert "belongs to schedule step" in choice.trials[0].reason
    settings = SearchSettings("lstm", {"valid_days": [40, 10_000]}, "grid", folds=1, valid_days=30)
    choice = search_as_of(samples, ASOF, replace(LSTM, epochs=1), settings)
    assert [trial.state for trial in choice.trials] == ["complete", "impossible"]


def test_a_recipe_by_symbol_is_searched_like_any_other():
    panel, samples = market_samples()
    samples = replace(samples, group=np.arange(panel.N))
    choice = search_as_of(samples, ASOF, GroupedRecipe(LogisticRecipe()), replace(GRID, space={"penalty": [0.01, 9.0]}))
    assert choice.counts == {"complete": 2}


def test_a_single_symbol_is_searched_by_accuracy_and_leaves_no_portfolio():
    panel, samples = market_samples("up_down")
    column = int(samples.mask[:ASOF].sum(axis=0).argmax())
    one = samples.only(np.array([column]))
    settings = SearchSettings("lstm", {"lr": [0.003, 0.03]}, "grid", folds=2, valid_days=25, objective="accuracy")
    choice = search_as_of(one, ASOF, replace(LSTM, epochs=1), settings)
    assert 0 <= choice.value <= 1
    assert np.isnan(choice.rank_ic)
    assert all(fold.rank_ic is None and fold.returns == () for one in choice.trials for fold in one.folds)
    assert Choice.from_json(json.loads(json.dumps(choice.to_json()))).params == choice.params


def trial(number: int, values: list[float], state: str = "complete") -> Trial:
    folds = [replace(judged_fold(), value=value) for value in values]
    return Trial(number, {"lr": float(number)}, state, tuple(folds))  # type: ignore[arg-type]


def judged_fold() -> FoldResult:
    day = np.datetime64("2020-01-01").item()
    return FoldResult(0.0, 0.0, day, day, day, day, ())


def test_a_candidate_below_the_median_of_the_finished_ones_is_given_up_after_two_folds():
    before = [trial(n, [0.1 * n, 0.1 * n, 9.0]) for n in range(5)]
    low = trial(9, [0.1, 0.1]).folds
    assert "mean 0.1000 over 2 folds, median of 5 finished trials 0.2000" in _pruned(low, before, 1)
    assert _pruned(low, before, -1) == ""
    assert _pruned(low[:1], before, 1) == ""
    assert _pruned(low, before[:4], 1) == ""
    assert _pruned(trial(9, [0.2, 0.2]).folds, before, 1) == ""


def test_the_process_hears_of_pruned_and_impossible_trials_too():
    """Else it would propose their region again and again."""
    finished = [trial(0, [0.0, 0.0, 0.6]), trial(1, [0.2, 0.2, 0.8])]
    pruned, impossible = trial(2, [-0.1, 0.1], "pruned"), trial(3, [], "impossible")
    told = {one.number: value for one, value in observations([*finished, pruned, impossible], 1)}
    assert told == pytest.approx({0: 0.2, 1: 0.4, 2: 0.2, 3: 0.2})  # 2: 0.1 worse than the mean of 0 and 1, at 0.3
    assert list(observations([impossible], 1)) == []


def test_the_process_finds_a_better_region_than_chance(monkeypatch):
    """On a smooth objective, 24 proposals come nearer to the best than 24 random ones, over seeds."""

    def value_of(version: Any, known: Any, fold: Any, objective: str, measure: str) -> FoldResult:
        return replace(
            judged_fold(), value=-((np.log10(version.penalty) + 2.3) ** 2) - (version.stride_days - 7) ** 2 / 9
        )

    monkeypatch.setattr("nnstrategies.search.search.judge", value_of)
    monkeypatch.setattr(RidgeRecipe, "fit", lambda self, known, asof, seed: self)
    samples, space = market_samples()[1], {"penalty": {"low": 1e-4, "high": 10, "log": True}}
    space["stride_days"] = {"low": 1, "high": 10}
    guided, chance = [], []
    for seed in range(3):
        settings = SearchSettings("ridge", space, trials=24, folds=1, prune=False, seed=seed)
        found = search_as_of(samples, ASOF, RIDGE, settings)
        guided.append(found.value)
        rng = np.random.default_rng(seed)
        x, y = rng.uniform(-4, 1, 24), rng.integers(1, 11, 24)
        chance.append(np.max(-((x + 2.3) ** 2) - (y - 7) ** 2 / 9))
        assert all(1 <= trial.params["stride_days"] <= 10 for trial in found.trials)
    assert np.mean(guided) > np.mean(chance)
    assert np.mean(guided) > -0.01


def test_a_small_space_is_not_tried_beyond_its_size_and_a_candidate_is_fitted_once():
    watching = Watching()
    settings = replace(GP, space={"penalty": [0.1, 1.0, 2.0]}, folds=1, trials=50)
    choice = search_as_of(market_samples()[1], ASOF, watching, settings)
    assert len(choice.trials) == 3
    assert len(watching.seen) == len({trial.params["penalty"] for trial in choice.trials})
    repeated = [trial for trial in choice.trials if trial.repeats is not None]
    assert choice.counts.get("repeated", 0) == len(repeated)


# -- the journal -----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


@pytest.mark.parametrize("settings", [GP, GRID])
def test_a_search_killed_anywhere_goes_on_and_chooses_as_if_it_had_not_been(settings, tmp_path):
    samples = market_samples()[1]
    whole = search_as_of(samples, ASOF, RIDGE, settings, tmp_path / "whole.journal")
    assert whole == search_as_of(samples, ASOF, RIDGE, settings)  # nor does the journal change anything
    for at in (0, 3, len(whole.trials) - 1):
        journal, fitted = tmp_path / f"{at}.journal", []

        def kill(one: Trial, at: int = at) -> None:
            if one.number == at:
                raise Killed

        with pytest.raises(Killed):
            search_as_of(samples, ASOF, RIDGE, settings, journal, kill)
        again = search_as_of(samples, ASOF, RIDGE, settings, journal, fitted.append)
        assert again == whole
        assert again.trials == whole.trials
        assert [one.number for one in fitted] == list(range(at, len(whole.trials)))


def test_a_journal_torn_at_any_byte_loses_at_most_its_last_trial(tmp_path):
    samples, journal = market_samples()[1], tmp_path / "a.journal"
    whole = search_as_of(samples, ASOF, RIDGE, GRID, journal)
    text = journal.read_bytes()
    lines = text.splitlines(keepends=True)
    assert len(lines) == 1 + len(whole.trials)
    for cut in (0, 1, len(lines[0]) - 1, len(lines[0]), len(lines[0]) + 7, len(text) - 1, len(text)):
        journal.write_bytes(text[:cut])
        new: list[Trial] = []
        assert search_as_of(samples, ASOF, RIDGE, GRID, journal, new.append).trials == whole.trials
        assert len(new) == len(whole.trials) - max(0, text[:cut].count(b"\n") - 1)


def test_a_journal_of_another_search_and_one_that_is_no_journal_are_refused(tmp_path):
    samples, journal = market_samples()[1], tmp_path / "a.journal"
    search_as_of(samples, ASOF, RIDGE, GRID, journal)
    for other, asof in ((replace(GRID, seed=2), ASOF), (GRID, ASOF - 1)):
        with pytest.raises(RegistryError, match="belongs to another search"):
            search_as_of(samples, asof, RIDGE, other, journal)
    for text in ('{"op_code": 0}\n', "no journal\n{}\n"):
        journal.write_text(text)
        with pytest.raises(RegistryError, match="not readable"):
            search_as_of(samples, ASOF, RIDGE, GRID, journal)


def test_optuna_reads_the_journal(tmp_path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    choice = search_as_of(market_samples()[1], ASOF, RIDGE, GP, tmp_path / "a.journal")
    (study,) = optuna.study.get_all_study_summaries(JournalStorage(JournalFileBackend(str(tmp_path / "a.journal"))))
    assert study.best_trial.value == choice.value
    assert study.best_trial.params == choice.params
    assert study.n_trials == len(choice.trials)


# -- through time ----------------------------------------------------------------------------------------------------


def a_choice(row: int, penalty: float) -> Choice:
    day = market_samples()[0].sessions[row].item()
    return Choice("ridge", day, row, {"penalty": penalty}, "rank_ic", 0.1, float("nan"), 0.1, day, {"complete": 1})


def test_a_refit_takes_the_newest_choice_made_by_then():
    timeline = ChoiceTimeline([a_choice(300, 1.0), a_choice(340, 2.0)])
    recipe_at = timeline.recipe_at(RIDGE)
    assert [recipe_at(row).penalty for row in (300, 339, 340, 399)] == [1.0, 1.0, 2.0, 2.0]
    with pytest.raises(RegistryError, match="none made by row 299, the first is of row 300"):
        recipe_at(299)


def test_choices_are_append_only_and_none_is_made_with_later_labels():
    timeline = ChoiceTimeline([a_choice(340, 1.0)])
    for row in (340, 300):
        with pytest.raises(RegistryError, match="the past is never changed"):
            timeline.append(a_choice(row, 2.0))
    later = replace(a_choice(350, 2.0), labels_through=a_choice(351, 2.0).asof)
    with pytest.raises(RegistryError, match="labels that end on"):
        timeline.append(later)
    again = [Choice.from_json(json.loads(json.dumps(tree)) | {"more": 1}) for tree in timeline.to_json()]
    assert [one.to_json() for one in again] == timeline.to_json()


def test_the_walk_forward_fits_each_date_with_the_settings_known_by_then():
    panel, samples = market_samples()
    timeline = ChoiceTimeline([a_choice(330, 0.5), a_choice(360, 5.0)])
    entries = walk_forward(samples, panel.calendar, timeline.recipe_at(RIDGE), (1,), [340, 360, 380])[1].entries
    assert [entry.version.manifest["config"]["penalty"] for entry in entries] == [0.5, 5.0, 5.0]


def test_searches_lie_on_the_session_before_the_test_and_before_each_period():
    calendar = market_samples()[0].calendar
    first, last = 200, 399
    assert search_rows(calendar, first, last, replace(GP, every="once")) == [199]
    rows = search_rows(calendar, first, last, replace(GP, every="quarter"))
    assert rows[0] == 199
    assert all(calendar.months[r] // 3 != calendar.months[r + 1] // 3 for r in rows[1:])


# -- honesty ---------------------------------------------------------------------------------------------------------


def test_where_nothing_can_be_predicted_the_best_of_many_looks_good_and_is_not():
    """Markets without a signal: the truth is a rank IC of 0. What the search shows is above it, what follows is not."""
    within, after = [], []
    for seed in range(16):
        panel, _ = simulate(SimulatedMarket(symbols=30, sessions=420, members=24, seed=500 + seed, signal=False))
        samples = samples_of(panel)
        settings = SearchSettings("momentum", {"feature": list(NAMES)}, "grid", folds=3, valid_days=20, prune=False)
        choice = search_as_of(samples, ASOF - 20, MomentumRecipe(), settings)
        recipe = with_values(MomentumRecipe(), choice.params)
        timeline = walk_forward(samples, panel.calendar, recipe, (1,), [ASOF - 20])[1]
        rows = range(ASOF - 19, 414)
        within.append(choice.rank_ic)
        after.append(mean_rank_ic(score(samples, timeline, rows).column(), samples, rows))
    error = np.std(after, ddof=1) / np.sqrt(len(after))
    assert np.mean(within) > 3 * np.std(within, ddof=1) / np.sqrt(len(within))  # flattering beyond doubt
    assert abs(np.mean(after)) < 2.5 * error
    assert np.mean(within) - np.mean(after) > 2.5 * error  # the optimism


def test_without_optuna_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install 'nnstrategies\[search\]'"):
        search_as_of(market_samples()[1], ASOF, RIDGE, GP)
    assert search_as_of(market_samples()[1], ASOF, RIDGE, GRID).counts == {"complete": 6}


def test_progress_counts_trials():
    ticks: list[SimpleNamespace] = []
    search_as_of(market_samples()[1], ASOF, RIDGE, GRID, progress=ticks.append)
    assert [tick.done for tick in ticks] == [pytest.approx((n + 1) / 6) for n in range(6)]
    assert ticks[-1].note.startswith("trial 6/6, best rank_ic ")
