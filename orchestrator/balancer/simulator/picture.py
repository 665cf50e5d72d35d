"""A result as an SVG: time to the right, the memory of each device upwards, one rectangle for each attempt, and what
foreigners hold from the top down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from orchestrator.balancer.simulator.result import Result
from orchestrator.balancer.simulator.workers import Span

_WIDTH, _BAND, _LEFT, _TOP, _GAP = 1200, 72, 64, 40, 10
_GOLDEN_DEG = 137.508
_STEPS = 48

_PAGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" \
font-family="sans-serif" font-size="12">
<rect width="{width}" height="{height}" fill="white"/>
<text x="{left}" y="20">{title}</text>
{body}
</svg>
"""
_BAND_SVG = """<text x="{text_x}" y="{text_y}" text-anchor="end">{name}</text>
<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#f2f2f2" stroke="#bbb"/>"""
_FOREIGN_SVG = """<path d="{path}" fill="#777" fill-opacity="0.5"><title>foreign memory</title></path>"""
_SPAN_SVG = """<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}" \
stroke="{edge}" stroke-width="{line}"><title>{title}</title></rect>"""
_TICK_SVG = """<text x="{x:.1f}" y="{y}" text-anchor="middle" fill="#555">{label}</text>
<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="#ddd"/>"""


def picture(result: Result) -> str:
    """The timeline as SVG text."""
    height = _TOP + len(result.devices) * (_BAND + _GAP) + 30
    title = f"{result.policy}: {result.makespan_s / 3600:.2f} h, {result.ratio:.2f} × the lower bound"
    body = "\n".join([*_ticks(result, height), *_bands(result)])
    return _PAGE.format(width=_LEFT + _WIDTH + 16, height=height, left=_LEFT, title=escape(title), body=body)


def _ticks(result: Result, height: int) -> Iterator[str]:
    hours = result.makespan_s / 3600
    step = next((one for one in (0.1, 0.25, 0.5, 1, 2, 5, 10) if hours / one <= 14), 24.0)
    for number in range(int(hours / step) + 1):
        x = _LEFT + number * step / hours * _WIDTH
        yield _TICK_SVG.format(x=x, y=height - 8, label=f"{number * step:g} h", top=_TOP, bottom=height - 22)


def _bands(result: Result) -> Iterator[str]:
    signatures = sorted({span.signature for span in result.spans})
    colours = {name: f"hsl({index * _GOLDEN_DEG % 360:.0f} 60% 62%)" for index, name in enumerate(signatures)}
    for index, (device, total_mib) in enumerate(result.devices.items()):
        top = _TOP + index * (_BAND + _GAP)
        yield _BAND_SVG.format(
            text_x=_LEFT - 6,
            text_y=top + _BAND // 2 + 4,
            name=escape(device),
            x=_LEFT,
            y=top,
            width=_WIDTH,
            height=_BAND,
        )
        spans = sorted((s for s in result.spans if s.device_id == device), key=lambda span: span.began_at)
        for span, bottom_mib in zip(spans, _stacked(spans, total_mib), strict=True):
            tall = max(1.5, span.peak_mib / total_mib * _BAND)
            y = top + _BAND - bottom_mib / total_mib * _BAND - tall
            yield _span(span, y, tall, _WIDTH / result.makespan_s, colours[span.signature])
        if len(result.foreign[device]) > 1:
            yield _FOREIGN_SVG.format(path=_path(result.foreign[device], top, total_mib, result.makespan_s))


def _path(levels: Sequence[tuple[float, int]], top: float, total_mib: int, makespan_s: float) -> str:
    """Steps from the left to the right, hanging from the upper edge."""
    ends = [at_s for at_s, _ in levels[1:]] + [makespan_s]
    steps = (
        f"V{top + mib / total_mib * _BAND:.1f}H{_LEFT + end_s / makespan_s * _WIDTH:.1f}"
        for end_s, (_, mib) in zip(ends, levels, strict=True)
    )
    return f"M{_LEFT},{top}{''.join(steps)}V{top}Z"


def _span(span: Span, y: float, tall: float, per_s: float, colour: str) -> str:
    title = f"{span.run_id}: {span.peak_mib} MiB, {span.ended_at - span.began_at:.0f} s, {span.ending.value}"
    return _SPAN_SVG.format(
        x=_LEFT + span.began_at * per_s,
        y=y,
        width=max(0.6, (span.ended_at - span.began_at) * per_s),
        height=tall,
        colour=colour,
        edge="#c00" if span.ending.is_death else "white",
        line=1.5 if span.ending.is_death else 0.4,
        title=escape(title),
    )


def _stacked(spans: Sequence[Span], total_mib: int) -> Iterator[float]:
    """The lowest place of each where it overlaps least with those that were placed before."""
    placed: list[tuple[Span, float]] = []
    for span in spans:
        beside = [(bottom, bottom + one.peak_mib) for one, bottom in placed if one.ended_at > span.began_at]
        most = max(0.0, total_mib - span.peak_mib)
        places = [most * step / _STEPS for step in range(_STEPS + 1)] + [top for _, top in beside if top <= most]
        bottom = min(places, key=lambda place: (round(_overlap(place, place + span.peak_mib, beside)), place))
        placed = [(one, low) for one, low in placed if one.ended_at > span.began_at] + [(span, bottom)]
        yield bottom


def _overlap(low: float, high: float, beside: Sequence[tuple[float, float]]) -> float:
    return sum(max(0.0, min(high, top) - max(low, bottom)) for bottom, top in beside)
