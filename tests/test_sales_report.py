"""What sales brought, by reason, from a ledger worked by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from run_folder_sample import Sample, write_run_folder

from nnstrategies.brokers.journal import AccountRow, FillRow, Journal
from nnstrategies.brokers.ledger import CASH, Transaction
from nnstrategies.recording import trades
from nnstrategies.report.run_folder import RunFolder, read_run_folder
from nnstrategies.report.sales import sales, sales_table

POSTINGS = [  # transaction, kind, symbol, account, amount
    (1, "buy", "A", "assets:cash", -1003.0),
    (1, "buy", "A", "assets:shares", 1000.0),
    (1, "buy", "A", "expenses:commission", 3.0),
    (2, "sell", "A", "assets:cash", 597.0),  # half of them, for 600 less a fee of 3
    (2, "sell", "A", "assets:shares", -500.0),
    (2, "sell", "A", "expenses:commission", 3.0),
    (2, "sell", "A", "income:realised", -100.0),
    (3, "sell", "A", "assets:cash", 448.0),
    (3, "sell", "A", "assets:shares", -500.0),
    (3, "sell", "A", "expenses:commission", 2.0),
    (3, "sell", "A", "income:realised", 50.0),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    small = Sample(symbols=20, sessions=240, held=6, seeds=2, null=19)
    return read_run_folder(write_run_folder(tmp_path_factory.mktemp("runs") / "20240506-120000-sample", small))


def with_postings(run: RunFolder, reasons: dict[int, str]) -> RunFolder:
    days = {number: pd.Timestamp(2024, 1, number) for number in (1, 2, 3)}
    ledger = pd.DataFrame(POSTINGS, columns=["transaction", "kind", "symbol", "account", "amount"])
    ledger.insert(0, "date", ledger["transaction"].map(days))
    fills = pd.DataFrame(
        [(days[number], "A", "sell", reason) for number, reason in reasons.items()],
        columns=["date", "symbol", "side", "reason"],
    )
    return replace(run, ledger=ledger, fills=fills)


def test_gains_are_after_the_fees_of_the_sale_over_the_cost_of_its_shares(run):
    found = sales(with_postings(run, {2: "rebalance", 3: "stop-loss"}))
    assert found["gain"].tolist() == [97.0, -52.0]
    assert found["share"].tolist() == [97 / 500, -52 / 500]
    assert found["reason"].tolist() == ["rebalance", "stop-loss"]


def test_a_sale_that_brings_what_its_shares_had_cost_is_neither_won_nor_lost(run):
    lots = [(1, "sell", "A", "assets:cash", 0.3)] + [(1, "sell", "A", "assets:shares", -part) for part in (0.1, 0.2)]
    ledger = pd.DataFrame(lots, columns=["transaction", "kind", "symbol", "account", "amount"])
    ledger.insert(0, "date", pd.Timestamp(2024, 1, 1))
    even = replace(with_postings(run, {}), ledger=ledger)
    assert sales(even)["gain"].tolist() == [0.0]
    assert sales_table(even).rows[-1].cells[1].startswith("0.0")


def test_a_backtest_counts_its_sales_by_the_same_rule_and_what_it_traded():
    journal = Journal(money=1)
    for number in (1, 2, 3):
        rows = [row for row in POSTINGS if row[0] == number]
        postings = tuple((account, int(amount)) for *_, account, amount in rows)
        journal.transactions.append(Transaction(dt.date(2024, 1, number), rows[0][1], 0, 0, postings))
    journal.transactions.append(Transaction(dt.date(2024, 1, 4), "dividend", 0, 0, ((CASH, 50), ("income", -50))))
    for side, size, price in (("buy", 100, 10.0), ("sell", 50, 12.0), ("sell", 50, 9.0)):
        journal.fills.append(FillRow(0, 0, side, size, price, 3.0, 0.0, "rebalance", ""))
    journal.account += [AccountRow(row, value, 0.0) for row, value in enumerate((1000.0, 1100.0))]
    found = {"traded": 1000.0 + 600.0 + 450.0, "mean_value": 1050.0, "sessions": 2, "sales": 2, "won": 1}
    assert trades(journal) == found


def test_every_reason_has_a_row_and_all_sales_one(run):
    table = sales_table(with_postings(run, {2: "rebalance"}))
    rows = {row.label: [cell.replace("\u00a0", " ").replace("\u2212", "-") for cell in row.cells] for row in table.rows}
    assert list(rows) == ["Other", "Rebalance", "All"]  # the fill of the last sale is not on record
    assert rows["Rebalance"] == ["1", "100.0 %", "+19.4 %", "+19.4 %", "–", "+19.4 %", "+19.4 %", "–"]
    assert rows["All"] == ["2", "50.0 %", "+4.5 %", "+19.4 %", "-10.4 %", "+19.4 %", "-10.4 %", f"{97 / 52:.2f}"]


def test_nothing_sold_has_no_table(run):
    assert sales_table(replace(run, ledger=run.ledger[run.ledger["kind"] != "sell"])) is None


def test_a_whole_run_folders_sales_add_up_to_its_ledger(run):
    booked = run.ledger[(run.ledger["kind"] == "sell") & run.ledger["account"].isin(("assets:cash", "assets:shares"))]
    assert sales(run)["gain"].sum() == pytest.approx(booked["amount"].sum())


def test_the_report_has_the_table(run):
    from nnstrategies.report import build_report

    assert "What sales brought" in Path(build_report(run.root)).read_text(encoding="utf-8")
