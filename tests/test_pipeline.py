"""A whole run through the command line: same bytes twice, interrupted and resumed, rebuilt from its folder, refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from nnstrategies import cli
from nnstrategies.report.run_folder import read_run_folder
from nnstrategies.report.sales import sales

ROOT = Path(__file__).resolve().parents[1]
FEATURES = ["ret_1", "ret_5", "rank_ret_1", "volume_surprise_1", "rsi_14", "volatility_20"]
NETWORK = {"kind": "network", "epochs": 2, "batch": 64, "stride_days": 4, "valid_days": 30}
TINY = {
    "name": "tiny",
    "data": {"source": "simulated", "symbols": 24, "members": 16, "sessions": 320, "seed": 3, "listing_sessions": 60},
    "features": FEATURES,
    "window": 8,
    "label": {"kind": "buy_hold_sell", "horizon_days": 5},
    "walk_forward": {"first_test": "2015-11-02", "refit": "quarter"},
    "recipes": {
        "ridge": {"kind": "ridge"},
        "lstm": {**NETWORK, "model": "lstm", "settings": {"layers": 1, "hidden": 6}},
        "cnn_lstm": {
            **NETWORK,
            "model": "cnn_lstm",
            "settings": {"channels_1": 4, "channels_2": 6, "hidden": 6, "dense": 6},
        },
        "reversal": {"kind": "momentum", "feature": "ret_5"},
    },
    "inputs": {"lstm": FEATURES[:4]},
    "headline": "cnn_lstm",
    "seeds": [1, 2],
    "evidence": {"refits": 2},
    "strategy": {"top_n": 5, "stop": {"base": 0.1}},
    "workers": 2,
}


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "nnstrategies.cli", *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def write_config(folder: Path, **changes: object) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}), encoding="utf-8")
    return path


def only_run(root: Path) -> Path:
    (found,) = [path.parent for path in root.glob("*/config.yaml")]
    return found


def refused(arguments, code, folder, monkeypatch, capsys) -> str:
    """What the command line says when it stops with ``code``; in this process, for speed."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["nnstrategies", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == code
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run."""
    work = tmp_path_factory.mktemp("finished")
    write_config(work)
    done = command("run", "tiny.yaml", cwd=work)
    assert done.returncode == 0, done.stderr
    return only_run(work / "runs")


DETERMINED = ("scores", "ic", "losses", "targets", "orders", "fills", "refusals", "positions", "account", "returns")
DETERMINED += ("judged", "regimes", "trades")


def test_every_traded_portfolio_records_its_trades_and_the_headlines_are_those_of_its_books(finished):
    table = pd.read_parquet(finished / "trades.parquet").set_index("portfolio")
    columns = pd.read_parquet(finished / "returns.parquet").columns
    assert list(table.index) == [name for name in columns if name not in ("date", "equal_weight", "benchmark")]
    assert (table["traded"] > 0).all()
    assert (table["won"] <= table["sales"]).all()
    own, run = table.loc["cnn_lstm"], read_run_folder(finished)
    gains = sales(run)["gain"]
    assert (own["sales"], own["won"]) == (len(gains), (gains > 0.005).sum())
    assert own["traded"] == pytest.approx((run.fills["size"] * run.fills["price"]).sum())
    assert (own["mean_value"], own["sessions"]) == (pytest.approx(run.account["value"].mean()), len(run.account))


def test_a_run_repeated_gives_the_same_bytes_whatever_the_workers(finished, tmp_path):
    write_config(tmp_path)
    done = command("run", "tiny.yaml", "--set", "workers=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = only_run(tmp_path / "runs")
    names = [f"{name}.parquet" for name in DETERMINED] + [
        "metrics.json",
        "evidence.json",
        "timeline.json",
        "truth.json",
    ]
    for name in names:
        assert (again / name).read_bytes() == (finished / name).read_bytes(), name
    assert sorted(p.name for p in (again / "versions").iterdir()) == sorted(
        p.name for p in (finished / "versions").iterdir()
    )


def test_a_killed_run_goes_on_where_it_stopped_and_ends_in_the_same_bytes(finished, tmp_path):
    write_config(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "nnstrategies.cli", "run", "tiny.yaml"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/parts/lstm.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    run = only_run(tmp_path / "runs")
    kept = {path: path.stat().st_mtime_ns for path in [*run.glob("fits/*/*.json"), run / "parts" / "lstm.json"]}
    assert len(kept) > 10
    assert not (run / "evidence.json").exists()
    done = command("run", "--resume", str(run), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for name in DETERMINED:
        assert (run / f"{name}.parquet").read_bytes() == (finished / f"{name}.parquet").read_bytes(), name


def test_ctrl_c_leaves_a_run_that_says_how_to_go_on(tmp_path):
    write_config(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "nnstrategies.cli", "run", "tiny.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores Ctrl-C
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/truth.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert f"nnstrategies run --resume {only_run(tmp_path / 'runs').relative_to(tmp_path)}" in said
    assert "Traceback" not in said


def test_the_report_is_rebuilt_from_the_folder_alone(finished, tmp_path):
    copy = tmp_path / finished.name
    shutil.copytree(finished, copy)
    for name in ("report.html", "metrics.json"):
        (copy / name).unlink()
    for name in ("versions", "checkpoints", "parts"):
        shutil.rmtree(copy / name, ignore_errors=True)
    done = command("report", str(copy), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (copy / "metrics.json").read_bytes() == (finished / "metrics.json").read_bytes()
    assert (copy / "report.html").stat().st_size > 100_000


def test_the_truth_is_written_down_before_training_and_stands_beside_the_models(finished):
    truth = json.loads((finished / "truth.json").read_text())
    assert set(truth["parts"]) == {"linear", "non_linear", "order", "total"}
    assert set(truth["models"]) == {"ridge", "lstm", "cnn_lstm", "reversal"}
    log = (finished / "log.txt").read_text()
    assert log.index("best reachable rank IC") < log.index("ridge: rank IC")


def test_every_portfolio_is_in_the_returns(finished):
    columns = set(pd.read_parquet(finished / "returns.parquet").columns)
    assert columns == {
        "date", "ridge", "lstm", "lstm/1", "lstm/2", "cnn_lstm", "cnn_lstm/1", "cnn_lstm/2", "reversal",
        "equal_weight", "benchmark",
    }  # fmt: skip


def test_no_score_is_used_before_its_model_is_in_force(finished):
    timeline = pd.DataFrame(json.loads((finished / "timeline.json").read_text()))
    assert (pd.to_datetime(timeline["effective_from"]) > pd.to_datetime(timeline["trained_through"])).all()
    scores = pd.read_parquet(finished / "scores.parquet")
    for recipe, rows in timeline.groupby("recipe"):
        assert scores.loc[scores["recipe"] == recipe, "date"].min() >= pd.Timestamp(rows["effective_from"].min())


def test_a_class_of_the_users_own_trades_the_same_scores(finished, tmp_path):
    copy = tmp_path / finished.name
    shutil.copytree(finished, copy)
    done = command(
        "backtest", str(copy), "--strategy", str(ROOT / "examples/own_strategy.py") + ":CalmFirst", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    before, after = (pd.read_parquet(folder / "returns.parquet") for folder in (finished, copy))
    assert not before["cnn_lstm"].equals(after["cnn_lstm"])
    assert before["lstm"].equals(after["lstm"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere.yaml"], 2, "ConfigError: config nowhere.yaml: no such file"),
        (["run", "tiny.yaml", "--set", "headline=lst"], 2, "did you mean 'lstm'?"),
        (["run", "tiny.yaml", "--set", "data.symbols=0"], 2, "symbols: expected at least 3, got 0"),
        (["run", "tiny.yaml", "--set", "features=[rsi_41]"], 2, "rsi_41"),
        (["run", "tiny.yaml", "--set", "walk_forward.first_test=2031-01-01"], 2, "must lie inside the data"),
        (["run", "files.yaml"], 3, "prices.csv"),
        (["run", "tiny.yaml", "--variant", "x"], 2, "'x' is no variant of config tiny; it has no variants"),
        (["run", "s5_threshold_lstm", "--variant", "day_150"], 2, "did you mean 'days_150'"),
        (
            ["run", "s3_lstm_forecaster", "--set", "data.folder=absent"],
            3,
            "go on with a run from the directory in which it began",
        ),
        (["train", "tiny.yaml", "--set", "walk_forward.first_test=2015-01-30"], 4, "FitError"),
        (
            ["run", "tiny.yaml", "--set", "variants.days_150={note: longer, set: {windw: 150}}"],
            2,
            "variant days_150: windw: unknown key; did you mean 'window'?",
        ),
        (
            ["train", "tiny.yaml", "--set", "variants.none={note: nothing, set: {headline: nobody}}"],
            2,
            "variant none: headline: 'nobody' is no recipe",
        ),
        (["report", "nothing"], 6, "expected a folder with config.yaml"),
        (["backtest"], 6, "no trained runs here yet"),
        (["run", "--resume", "nothing"], 6, "expected a folder with config.yaml"),
        (
            ["run", "tiny.yaml", "--resume", "nothing"],
            2,
            "own config and folder, got tiny.yaml; leave that out",
        ),
        (["run", "--runs", "there", "--resume", "nothing"], 2, "config and folder, got --runs there; leave that out"),
        (
            ["search", "tiny.yaml", "--resume", "nothing"],
            2,
            "own config and folder, got tiny.yaml; leave that out",
        ),
        (
            ["run", "--fast", "--set", "window=9", "--resume", "nothing"],
            2,
            "got --set window=9, --fast; leave that out",
        ),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_a_mistake_is_one_line_with_a_stable_exit_code(arguments, code, message, tmp_path, monkeypatch, capsys):
    write_config(tmp_path)
    files = {**TINY, "data": {"source": "files", "prices": "prices.csv"}}
    (tmp_path / "files.yaml").write_text(yaml.safe_dump(files), encoding="utf-8")
    said = refused(arguments, code, tmp_path, monkeypatch, capsys)
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "runs").exists()  # no folder of a run that could not begin


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("own.py", "expected FILE.py:CLASS"),
        ("absent.py:Own", "there is no file absent.py"),
        ("broken.py:Own", "cannot be loaded: NameError"),
        ("own.py:Owm", "expected a subclass of RebalanceStrategy named Owm"),
    ],
)
def test_a_strategy_file_that_cannot_be_used_is_refused(where, message, tmp_path, monkeypatch):
    from nnstrategies.errors import ConfigError
    from nnstrategies.pipeline.own_code import load_strategy

    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("Own = 3\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("undefined_name\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_strategy(where)


def test_changed_data_is_noticed_before_it_is_traded(finished, tmp_path, monkeypatch, capsys):
    copy = tmp_path / finished.name
    shutil.copytree(finished, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["data"]["seed"] = 4
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    assert "trained on data" in refused(["backtest", str(copy)], 6, tmp_path, monkeypatch, capsys)


def test_data_check_prints_what_was_found_and_makes_no_run(tmp_path):
    write_config(tmp_path)
    done = command("data", "check", "tiny.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert "24 symbols" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_help_names_every_command_and_the_exit_codes(tmp_path):
    said = command("--help", cwd=tmp_path).stdout
    for word in ("run", "train", "backtest", "explain", "report", "data", "systems", "130 interrupted"):
        assert word in said
    assert "S4" in command("systems", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("key", "value", "named"), [("seed", 4, "data and config"), ("symbols", 25, "data and config")]
)
def test_a_run_is_not_resumed_on_other_data(key, value, named, finished, tmp_path, monkeypatch, capsys):
    copy = tmp_path / finished.name
    shutil.copytree(finished, copy)
    (copy / "evidence.json").unlink()
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["data"][key] = value
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    said = refused(["run", "--resume", str(copy)], 6, tmp_path, monkeypatch, capsys)
    assert f"{named} changed since the run began" in said


def test_the_scores_of_a_run_can_be_read_back(finished):
    from nnstrategies.errors import RunFolderError
    from nnstrategies.scores import read_scores

    table = pd.read_parquet(finished / "scores.parquet")
    rows = table[table["recipe"] == "lstm"].set_index(["date", "symbol"])
    (day, symbol), expected = next(iter(rows.groupby(["date", "symbol"])["score"].mean().items()))
    scores = read_scores(finished, "lstm")
    assert scores.at(day)[scores.symbols.index(symbol)] == pytest.approx(expected, rel=1e-5)
    assert read_scores(finished, "lstm", seed=1).names == ("score",)
    with pytest.raises(RunFolderError, match="no scores of recipe 'lstn'"):
        read_scores(finished, "lstn")


def test_a_run_without_a_benchmark_says_what_that_costs(tmp_path, monkeypatch):
    from nnstrategies.config import parse
    from nnstrategies.feeds.simulated import SimulatedMarket, simulate
    from nnstrategies.pipeline import report, start, trade, train

    panel, _ = simulate(SimulatedMarket(symbols=14, members=10, sessions=300, listing_sessions=40, seed=2))
    t, n = panel.listed.nonzero()
    table = {"date": panel.sessions[t], "symbol": pd.Series(panel.symbols).to_numpy()[n]}
    table |= {name: panel[name][t, n] for name in ("open", "high", "low", "close", "volume", "adj_factor")}
    pd.DataFrame(table | {"paused": ~panel.trading[t, n]}).to_csv(tmp_path / "prices.csv", index=False)
    monkeypatch.chdir(tmp_path)
    tree = {**TINY, "data": {"source": "files", "prices": "prices.csv"}, "recipes": {"ridge": {"kind": "ridge"}}}
    tree |= {"headline": "ridge", "inputs": {}, "evidence": {"refits": 0}}
    run = start(parse(tree, "x"), Path("runs"))
    train(run)
    trade(run)
    page = report(run).read_text(encoding="utf-8")
    assert "The data has no benchmark" in page


def test_ctrl_c_before_a_run_begins_leaves_no_folder(tmp_path, monkeypatch):
    from nnstrategies.config import parse
    from nnstrategies.pipeline.run import Run, start

    def interrupted(run: Run) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "check_test", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(parse(TINY, "tiny.yaml"), tmp_path)
    assert not list(tmp_path.iterdir())
