"""A bt.Cerebro that runs panels of thousands of symbols at numpy speed, with backtrader's own results."""
