"""The five published systems, and what of each this version runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    name: str
    title: str
    source: str
    status: str


SYSTEMS = (
    System("S1", "CNN selects, LSTM times", "Liu, Zhang, Ma 2017", "runnable: s1_cnn_lstm_timing"),
    System(
        "S2", "CNN-LSTM portfolio", "Shen, Zhuo 2026", "runnable: s2_cnn_lstm_portfolio, s2_walk_forward, s2_search"
    ),
    System("S3", "LSTM price forecaster with stops", "Ju, Shen, Ni 2024", "runnable: s3_lstm_forecaster"),
    System("S4", "LSTM signal filter over factors", "Wu, Tang 2021", "runnable: s4_lstm_filter"),
    System(
        "S5",
        "BP and LSTM with threshold filter",
        "2012-2018 study of single stocks",
        "runnable: s5_threshold_lstm",
    ),
)


def table() -> str:
    """One line a system, for the terminal."""
    width = max(len(system.title) for system in SYSTEMS)
    return "\n".join(f"{s.name}  {s.title:<{width}}  {s.status}  ({s.source})" for s in SYSTEMS)
