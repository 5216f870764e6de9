"""The final page of `make demo`: charts of the dbt models in one HTML file that works offline."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from demo.dbt import MARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from demo.machinery import Postgres

_WIDTH, _HEIGHT = 560, 220
_LEFT, _BOTTOM, _TOP = 52, 24, 10
_COLORS: Final = ("#4f46e5", "#0891b2", "#16a34a", "#d97706", "#dc2626", "#9333ea", "#64748b", "#be185d", "#65a30d")
_STYLE: Final = """
body { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #1e293b; background: #f1f5f9; margin: 0; }
main { width: 1180px; margin: 0 auto; padding: 24px 10px; display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
header { grid-column: 1 / -1; } h1 { margin: 0; font-size: 24px; } header p { margin: 2px 0 0; color: #64748b; }
section { background: #fff; border-radius: 8px; padding: 14px 18px; box-shadow: 0 1px 2px #0002; }
h2 { font-size: 16px; margin: 0 0 2px; } section p { color: #64748b; font-size: 12px; margin: 0 0 8px; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 11px; fill: #64748b; }
table { border-collapse: collapse; width: 100%; font-size: 13px; } td, th { padding: 3px 6px; text-align: right; }
th { color: #64748b; font-weight: 500; border-bottom: 1px solid #e2e8f0; }
td:first-child, th:first-child { text-align: left; }
.key { font-size: 12px; color: #475569; } .key i { display: inline-block; width: 10px; height: 10px; border-radius: 2px;
margin: 0 4px 0 10px; }
"""

Series = dict[str, list[float | None]]


def write(path: Path, database: Postgres) -> None:
    """Write the page from the database's marts."""
    sections = [
        _messages_by_channel(database),
        _open_rates(database),
        _canvas_funnel(database),
        _attribution(database),
        _users(database),
        _target_runs(database),
    ]
    path.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Braze in your warehouse</title>"
        f"<style>{_STYLE}</style>"
        "<main><header><h1>Braze in your warehouse</h1><p>Everything on this page is a query on a model of dbt-braze."
        f"</p></header>{''.join(sections)}</main></html>",
        "utf-8",
    )


def _messages_by_channel(database: Postgres) -> str:
    rows = _rows(
        database,
        "select day, replace(channel, '_', ' '), sum(sent) from {} where sent > 0 and day > current_date - 46"
        " group by 1, 2 order by 1",
        "campaign_daily_performance",
    )
    days, series = _by_day(rows)
    largest_first = dict(sorted(series.items(), key=lambda one: -sum(value or 0 for value in one[1])))
    return _section(
        "Messages by channel", "campaign_daily_performance", _key(largest_first) + _stacked(days, largest_first)
    )


def _open_rates(database: Postgres) -> str:
    rows = _rows(
        database,
        "select day, sum(opens) / nullif(sum(delivered), 0), sum(other_opens) / nullif(sum(delivered), 0) from {}"
        " where channel = 'email' group by 1 order by 1",
        "campaign_daily_performance",
    )
    series: Series = {
        "with machine opens": [_number(row[1]) for row in rows],
        "without machine opens": [_number(row[2]) for row in rows],
    }
    series = {name: values for name, values in series.items() if any(value is not None for value in values)}
    return _section(
        "Email open rate",
        "campaign_daily_performance",
        _key(series) + _lines([row[0] for row in rows], series, percent=True),
    )


def _canvas_funnel(database: Postgres) -> str:
    rows = _rows(
        database,
        "select step_name, variant_name, people, people_messaged, people_opened, people_clicked, canvas_name"
        " from {0} where (canvas_id, variant_id) = (select canvas_id, variant_id from {0}"
        # A Canvas whose messages have sends and opens shows more than one of in-app messages.
        " where people is not null group by 1, 2 order by count(people) desc, sum(people_opened) desc nulls last,"
        " sum(people) desc, 1, 2 limit 1)"
        " order by step_position",
        "canvas_funnel",
    )
    head = ("step", "people", "messaged", "opened", "clicked")
    title = f"Canvas funnel: {rows[0][6]}, {rows[0][1]}" if rows else "Canvas funnel"
    return _section(title, "canvas_funnel", _table(head, [(row[0], *row[2:6]) for row in rows], bars=True))


def _attribution(database: Postgres) -> str:
    rows = _rows(
        database,
        "select replace(channel, '_', ' '), count(*), count(first_opened_at), count(first_clicked_at),"
        " count(first_converted_at), sum(purchases) from {} group by 1 order by 2 desc",
        "message_attribution",
    )
    head = ("channel", "sent", "opened", "clicked", "converted", "purchases")
    return _section("What messages led to", "message_attribution", _table(head, rows, bars=True))


def _users(database: Postgres) -> str:
    rows = _rows(
        database, "select day, sum(daily_active_users), sum(sessions) from {} group by 1 order by 1", "app_kpis_daily"
    )
    series: Series = {
        "daily active users": [_number(row[1]) for row in rows],
        "sessions": [_number(row[2]) for row in rows],
    }
    return _section("Users and sessions", "app_kpis_daily", _key(series) + _lines([row[0] for row in rows], series))


def _target_runs(database: Postgres) -> str:
    rows = _rows(
        database,
        "select stream, read, sent, rejected, requests, data_points from {} order by run_id, stream",
        "target_runs",
    )
    head = ("stream", "records read", "sent", "rejected", "requests", "data points")
    return _section("What target-braze sent to Braze", "target_runs", _table(head, rows))


def _rows(database: Postgres, query: str, mart: str) -> list[tuple[Any, ...]]:
    return database.rows(sql.SQL(query).format(sql.Identifier(MARTS, f"braze__{mart}")))


def _by_day(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Any], Series]:
    found = {(day, name): float(value) for day, name, value in rows}
    days = sorted({day for day, _ in found})
    names = {name for _, name in found}
    return days, {name: [found.get((day, name)) for day in days] for name in names}


def _number(value: Any) -> float | None:  # noqa: ANN401
    return None if value is None else float(value)


def _section(title: str, mart: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>braze__{mart}</p>{content}</section>"


def _key(series: Series) -> str:
    names = (
        f'<i style="background:{color}"></i>{escape(name)}' for name, color in zip(series, _COLORS * 3, strict=False)
    )
    return f'<div class="key">{"".join(names)}</div>'


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, bars: bool = False) -> str:
    """Render numbers as a table; with `bars`, each one also as a share of the largest."""
    most = max((float(cell) for row in rows for cell in row[1:] if cell), default=1.0)
    lines = []
    for row in rows:
        cells = [f"<td>{escape(str(row[0]))}</td>"]
        for cell in row[1:]:
            share = 100 * float(cell or 0) / most
            style = f' style="background:linear-gradient(90deg,#c7d2fe {share:.0f}%,#0000 0)"' if bars else ""
            cells.append(f"<td{style}>{'' if cell is None else f'{int(cell):,}'}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{''.join(lines)}</table>"


def _lines(days: Sequence[Any], series: Series, *, percent: bool = False) -> str:
    most = max((value for values in series.values() for value in values if value), default=1.0)
    drawn = []
    for values, color in zip(series.values(), _COLORS, strict=False):
        points = " ".join(
            f"{_x(at, len(days)):.1f},{_y(value, most):.1f}" for at, value in enumerate(values) if value is not None
        )
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
    return _plot(days, most, drawn, percent=percent)


def _stacked(days: Sequence[Any], series: Series) -> str:
    totals = [sum(values[at] or 0 for values in series.values()) for at in range(len(days))]
    most = max(totals, default=1.0) or 1.0
    base = [0.0] * len(days)
    width = max(1.0, (_WIDTH - _LEFT) / max(1, len(days)) - 1)
    drawn = []
    for values, color in zip(series.values(), _COLORS * 3, strict=False):
        for at, value in enumerate(values):
            if value:
                top = _y(base[at] + value, most)
                height = _y(base[at], most) - top
                x = _x(at, len(days)) - width / 2
                drawn.append(
                    f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"/>'
                )
                base[at] += value
    return _plot(days, most, drawn)


def _plot(days: Sequence[Any], most: float, drawn: Iterable[str], *, percent: bool = False) -> str:
    lines = []
    for part in (0.0, 0.5, 1.0):
        y = _y(part * most, most)
        label = f"{part * most:.0%}" if percent else f"{part * most:,.0f}"
        lines.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e2e8f0"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        )
    for at, anchor in ((0, "start"), (len(days) - 1, "end")) if days else ():
        lines.append(f'<text x="{_x(at, len(days)):.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{days[at]}</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(lines)}{"".join(drawn)}</svg>'


def _x(at: int, count: int) -> float:
    return _LEFT + (at + 0.5) * (_WIDTH - _LEFT) / max(1, count)


def _y(value: float, most: float) -> float:
    return _HEIGHT - _BOTTOM - value / most * (_HEIGHT - _BOTTOM - _TOP)
