"""Shared fixtures: one torch thread, no network beyond loopback, a tiny simulated panel, real data where present."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"

from nnstrategies.panel import Panel

settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse every connection that leaves the machine."""
    from pytest_socket import enable_socket, socket_allow_hosts

    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data; tests that need it skip where it is absent."""
    if not (SHARED_DATA / "cn_daily.parquet").is_file():
        pytest.skip("needs the real market data in ../shared/data, which this machine does not have")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny_panel() -> Panel:
    """A simulated market of 30 symbols x 400 sessions."""
    from nnstrategies.feeds.simulated import SimulatedMarket, simulate

    return simulate(SimulatedMarket(symbols=30, sessions=400, members=20, seed=7))[0]
