"""What the account's ledger says: costs by component, and what corporate actions brought."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnstrategies.report.formats import DASH, money, money_digits, percent, ratio, value_text
from nnstrategies.report.metrics import per_year
from nnstrategies.report.run_folder import DIVIDEND_TAX, RunFolder
from nnstrategies.report.tables import Row, Table

EXPENSES = "expenses:"
ORDER = ("commission", "stamp_duty", "transfer_fee", "handling_fee", "regulatory_fee")  # then the others by name
WRITE_OFF = "expenses:write_off"


def costs(run: RunFolder) -> Table:
    """Fees by component, slippage, and taxes on dividends: amount, share of what was traded, share of the account."""
    fees = _fees(run.ledger)
    slippage = float(run.fills["slippage_cost"].sum())
    tax = float(run.ledger["amount"][run.ledger["account"] == DIVIDEND_TAX].sum())
    trading = sum(fees.values()) + slippage
    traded = float((run.fills["size"].abs() * run.fills["price"]).sum())
    digits = money_digits([trading + tax])

    def row(label: str, amount: float, by_trade: bool = True, kind: str = "", remark: str = "") -> Row:
        bps = ratio(1e4 * amount / traded, 2) if traded and by_trade else DASH
        return Row(label, [money(amount, digits), bps, percent(per_year(run, amount), 2)], remark, kind)

    rows = [row(name.replace("_", " ").capitalize(), amount) for name, amount in fees.items()]
    rows.append(row("Slippage", slippage, remark="inside the fill prices"))
    rows.append(row("Trading costs", trading, kind="sum"))
    rows.append(row("Dividend tax", tax, by_trade=False))
    rows.append(row("All", trading + tax, by_trade=False, kind="sum"))
    settings = (run.manifest["costs"], run.manifest["market"]["slippage"])
    texts = [", ".join(f"{key} {value_text(value)}" for key, value in part.items()) for part in settings]
    note = f"{len(run.fills)} fills, {money(traded)} traded. Costs: {texts[0]}. Slippage: {texts[1]}."
    return Table(["Cost", "Amount", "bps of traded value", "Per year of account"], rows, note=note)


def _fees(ledger: pd.DataFrame) -> dict[str, float]:
    """Component -> currency, in the usual order."""
    booked = ledger[ledger["account"].str.startswith(EXPENSES) & ~ledger["account"].isin((DIVIDEND_TAX, WRITE_OFF))]
    sums = booked.groupby("account")["amount"].sum()
    found = {str(account).removeprefix(EXPENSES): float(amount) for account, amount in sums.items()}
    return {name: found[name] for name in sorted(found, key=lambda x: (ORDER.index(x) if x in ORDER else 99, x))}


def corporate_actions(run: RunFolder) -> Table | None:
    """Dividends, their tax, new shares and forced exits; None when nothing of the kind happened."""
    flags = run.actions.groupby(["date", "symbol"])["inferred"].any()
    inferred = set(flags.index[flags.to_numpy(dtype=bool)])
    parts = [
        _posted(run, "Dividends", "income:dividends", -1),
        _posted(run, "Dividend tax", DIVIDEND_TAX, -1),
        _share_counts(run),
        _of_kind(run, "Rights subscribed", "rights", "paid for new shares"),
        _of_kind(run, "Payouts of delisted holdings", "delisting"),
        _of_kind(run, "Payouts in mergers", "merger"),
        _worthless(run),
    ]
    parts = [part for part in parts if not part.rows.empty]
    if not parts:
        return None
    digits = money_digits([part.amount for part in parts])
    rows = [part.row(run, digits, inferred) for part in parts]
    note = "Inferred: read from the jump of the price adjustment factor, not from a table of actions; never taxed."
    return Table(["Corporate action", "Times", "Inferred", "Amount", "Per year of account"], rows, note=note)


class _Part:
    """One line: the postings it is made of, and the amount, positive for what the account received."""

    def __init__(self, label: str, rows: pd.DataFrame, amount: float, remark: str = "", given: bool = False) -> None:
        """given: by an action, so that it may be one that was inferred."""
        self.label, self.rows, self.amount, self.remark, self.given = label, rows, amount, remark, given

    def row(self, run: RunFolder, digits: int, inferred: set[tuple[pd.Timestamp, str]]) -> Row:
        times = self.rows.drop_duplicates("transaction")
        found = sum(key in inferred for key in zip(times["date"], times["symbol"], strict=True))
        cells = [str(len(times)), str(found) if self.given else DASH]
        cells += [money(self.amount, digits), percent(per_year(run, self.amount), 2)]
        return Row(self.label, cells, self.remark)


def _posted(run: RunFolder, label: str, account: str, sign: int) -> _Part:
    rows = run.ledger[run.ledger["account"] == account]
    at_sale = float(rows["amount"][rows["kind"] == "sell"].sum())
    remark = f"of it {money(at_sale)} when shares were sold" if account == DIVIDEND_TAX and at_sale else ""
    return _Part(label, rows, sign * float(rows["amount"].sum()), remark, account != DIVIDEND_TAX)


def _share_counts(run: RunFolder) -> _Part:
    """From the actions: a split that leaves no fraction of a share moves no money, so the ledger has no posting."""
    changed = run.actions[run.actions["size_after"] != run.actions["size_before"]]
    rows = changed.assign(transaction=np.arange(len(changed)))
    cash = _of_kind(run, "", "split").amount
    remark = "splits, bonus shares, rights; fractions paid in cash"
    return _Part("Changes of the share count", rows, cash, remark, given=True)


def _of_kind(run: RunFolder, label: str, kind: str, remark: str = "") -> _Part:
    """What came in before tax: shares given up at cost, and what was realised on them."""
    rows = run.ledger[run.ledger["kind"] == kind]
    gross = rows["account"].isin(("assets:shares", "income:realised"))
    return _Part(label, rows, -float(rows["amount"][gross].sum()), remark)


def _worthless(run: RunFolder) -> _Part:
    rows = run.ledger[run.ledger["account"] == WRITE_OFF]
    return _Part("Delisted without a payout", rows, 0.0, f"bought for {money(rows['amount'].sum())}")
