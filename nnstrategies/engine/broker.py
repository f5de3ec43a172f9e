from __future__ import annotations
import backtrader as bt
class PanelBroker(bt.brokers.BackBroker):
    pass
