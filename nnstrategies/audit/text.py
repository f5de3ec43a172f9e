"""An audit as a table for a terminal and as text for a file."""

from __future__ import annotations

from nnstrategies.audit.findings import Audit, Stage

_HEAD = ("stage", "checked", "dates", "compared values", "seconds", "verdict")


def lines(audit: Audit) -> list[str]:
    """A line a stage, then every finding, then what it comes to."""
    rows = [_HEAD, *(_row(stage) for stage in audit.stages)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEAD))]
    out = [_joined(row, widths) for row in rows]
    out += [f"  {stage.name}: {stage.note}" for stage in audit.stages if stage.note]
    out += [f"{finding.verdict.upper()} {finding.stage}: {finding}" for finding in audit.findings]
    return [*out, _summary(audit)]


def _joined(row: tuple[str, ...], widths: list[int]) -> str:
    right = (False, True, False, True, True, False)
    cells = [
        f"{text:>{w}}" if at_right else f"{text:<{w}}" for text, w, at_right in zip(row, widths, right, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _row(stage: Stage) -> tuple[str, ...]:
    dates = f"{stage.dates[0]}..{stage.dates[-1]} ({len(stage.dates)})" if stage.dates else "-"
    return (
        stage.name,
        _counted(stage.checked, stage.thing),
        dates,
        f"{stage.compared:,}",
        f"{stage.seconds:.1f}",
        stage.verdict,
    )


def _counted(count: int, thing: str) -> str:
    many = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{count} {thing if count == 1 else many}"


def _summary(audit: Audit) -> str:
    unsure = sum(finding.verdict in ("cannot judge", "suspicious") for finding in audit.findings)
    doubt = f"; {unsure} to look at" if unsure else ""
    if audit.leaks:
        return f"{audit.name}: {_counted(len(audit.leaks), 'leak')}{doubt}"
    return f"{audit.name}: no leak found{doubt}"
