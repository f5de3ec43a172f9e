"""Rules of a market by board and date, bound to a panel: price limits, order sizes, settlement, fees, taxes."""
