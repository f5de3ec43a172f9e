"""Where market data enters: every feed returns a checked ``Panel`` and says what it mended."""
