"""The report's pictures: SVG by matplotlib, its colours left to the page that shows it.

Colours are drawn as place-holders and become CSS variables, so the same picture is right on light
and on dark paper. Small and with few words: it is read on a phone, too.
"""

import io
import math
import re

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 - behind the choice of what it draws with
from matplotlib.ticker import (FixedLocator, FuncFormatter, LogLocator,  # noqa: E402
                               NullFormatter, NullLocator)

from contestants import C_ACTION, CEILING, PYTHON_ACTION, SPAWNING  # noqa: E402

INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#080808"
GREY, BLUE, ORANGE, MAGENTA = "#040404", "#050505", "#060606", "#070707"
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper", GREY: "--grey",
             BLUE: "--blue", ORANGE: "--orange", MAGENTA: "--magenta"}
LIGHT = {"--ink": "#1b2430", "--muted": "#5b6675", "--grid": "#dde3ea", "--paper": "#ffffff",
         "--grey": "#77818e", "--blue": "#1f66d0", "--orange": "#c26a00", "--magenta": "#b0267d"}
DARK = {"--ink": "#e6ebf2", "--muted": "#9aa7b8", "--grid": "#2c3644", "--paper": "#151b23",
        "--grey": "#8b97a6", "--blue": "#6ea8ff", "--orange": "#f5a742", "--magenta": "#f07cc4"}

SIZE = (4.6, 3.3)  # inches; 72 units each, so about as wide as a phone
# Colour, marker and line of each contestant: colour is never the only difference.
LOOKS = {CEILING: (GREY, "", (0, (5, 2))), C_ACTION: (BLUE, "o", "-"),
         PYTHON_ACTION: (ORANGE, "s", "-"), SPAWNING: (MAGENTA, "D", "-")}
STYLE = {"svg.fonttype": "none", "font.size": 9, "axes.edgecolor": GRID, "axes.labelcolor": MUTED,
         "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK,
         "ytick.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False,
         "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.7, "axes.axisbelow": True,
         "legend.frameon": False, "legend.fontsize": 8.5, "lines.linewidth": 1.8,
         "lines.markersize": 4.5, "xtick.major.size": 0, "ytick.major.size": 0,
         "axes.titlesize": 9, "savefig.transparent": True}


def short(value):
    """1,500 as 1.5k: for the ticks of an axis."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def marks_between(axis):
    """Which parts of a power of ten get a tick: more where the axis is short."""
    low, high = axis.get_view_interval()
    decades = math.log10(high / low) if low > 0 else 9
    return (1, 2, 5) if decades < 1.7 else (1, 3) if decades < 2.6 else (1,)


def logarithmic(axis, ticks=None, form=short):
    """A logarithmic axis whose labels are plain numbers; call it when all is drawn."""
    if axis.axis_name == "x":
        axis.axes.set_xscale("log")
    else:
        axis.axes.set_yscale("log")
    if ticks is not None:
        axis.set_major_locator(FixedLocator(list(ticks)))
    else:
        axis.set_major_locator(LogLocator(subs=marks_between(axis)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: form(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def legend(axes, columns=2):
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncol=columns, borderaxespad=0.2,
                handlelength=2.2, columnspacing=1.4, handletextpad=0.6, labelspacing=0.3)


def svg_of(figure, key, title):
    """The figure as SVG text with CSS variables for colours, and without what no one needs."""
    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": key}):  # ids that are stable and differ by figure
        figure.savefig(out, format="svg", metadata={"Date": None})
    plt.close(figure)
    text = out.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="(?:figure|axes|patch|text|line2d|legend|matplotlib\.axis|xtick|ytick|'
                  r'PathCollection|FillBetweenPolyCollection|PolyCollection|LineCollection)_\d+"',
                  "", text)
    text = text.replace("*{stroke-linejoin", "svg *{stroke-linejoin")
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", text)
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    return text.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def alone(svg):
    """For a file of its own: with the colours of both themes in it."""
    def rule(colors):
        return ":root{" + ";".join(f"{name}:{value}" for name, value in colors.items()) + "}"

    # What knows no variables, such as most viewers of pictures, takes the plain colour before them.
    svg = re.sub(r"\b(fill|stroke): ?var\((--\w+)\)",
                 lambda found: f"{found[1]}: {LIGHT[found[2]]}; {found[0]}", svg)
    style = f"<style>{rule(LIGHT)}@media (prefers-color-scheme:dark){{{rule(DARK)}}}</style>"
    head, mark, rest = svg.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{mark}\n{style}{rest}'


def lines(axes, series):
    """series: {contestant: [(x, y), ...]}"""
    for kind, points in series.items():
        color, marker, line = LOOKS[kind]
        axes.plot([x for x, _ in points], [y for _, y in points], color=color, marker=marker,
                  linestyle=line, label=kind)


# ---- one function for each picture: they take what tables.py takes out of the JSON file ----


def canvas(height=SIZE[1]):
    figure, axes = plt.subplots(figsize=(SIZE[0], height), layout="constrained")
    return figure, axes


def oldway(rows):
    """Average, median and 99th percentile for each target of JMeter. Dots: a bar's length on a
    logarithmic axis means nothing."""
    figure, axes = canvas()
    colors = dict(zip((row["label"] for row in rows), (MAGENTA, BLUE, ORANGE)))
    groups = ("average", "median", "p99")
    for number, row in enumerate(rows):
        at = [group + (number - 1) * 0.3 for group in range(len(groups))]
        # A median of 0 ms has no place on a logarithmic axis: JMeter's steps are whole ms.
        heights = [max(row[group], 0.5) for group in groups]
        axes.plot(at, heights, linestyle="", marker="Dos"[number], markersize=6,
                  color=colors[row["label"]], label=row["label"])
        for x, y, group in zip(at, heights, groups):
            axes.annotate(f"{row[group]:.3g}", (x, y), xytext=(0, 6), textcoords="offset points",
                          ha="center", fontsize=8)
    axes.set_xticks(range(len(groups)), ["average", "median", "99 %"])
    axes.grid(axis="x", visible=False)
    logarithmic(axes.yaxis)
    axes.margins(y=0.15)
    axes.set_ylabel("ms")
    legend(axes)
    return figure


def throughput(series):
    figure, axes = canvas()
    lines(axes, series)
    ceiling = series[CEILING]
    axes.fill_between([x for x, _ in ceiling], [y for _, y in ceiling], color=GREY, alpha=0.12,
                      linewidth=0)
    logarithmic(axes.xaxis, [x for x, _ in ceiling])
    logarithmic(axes.yaxis)
    axes.set_xlabel("connections")
    axes.set_ylabel("activations per second")
    legend(axes)
    return figure


NINES = (50, 90, 99, 99.9, 99.99)


def nines(percent):
    return -math.log10(1 - min(percent, 99.999) / 100)


def distribution(series):
    """series: {contestant: [(percent, ms), ...]}"""
    figure, axes = canvas()
    for kind, points in series.items():
        color, _, line = LOOKS[kind]
        axes.plot([nines(x) for x, _ in points], [y for _, y in points], color=color,
                  linestyle=line, label=kind)
    axes.set_xticks([nines(x) for x in NINES], [f"{x:g}" for x in NINES])
    logarithmic(axes.yaxis)
    axes.set_xlabel("per cent of the activations took at most")
    axes.set_ylabel("ms")
    legend(axes)
    return figure


def rates(series):
    """series: {contestant: [(rate, p50, p99, not followed), ...]}"""
    figure, axes = canvas(3.7)
    for kind, points in series.items():
        color, marker, line = LOOKS[kind]
        xs = [point[0] for point in points]
        axes.plot(xs, [point[2] for point in points], color=color, marker=marker,
                  linestyle=line, label=kind)
        axes.plot(xs, [point[1] for point in points], color=color, linestyle=(0, (1, 1.5)),
                  linewidth=1.4)
        late = [point for point in points if point[3]]
        axes.plot([point[0] for point in late], [point[2] for point in late], linestyle="",
                  marker="x", markersize=10, markeredgewidth=1.8, color=color)
    axes.plot([], [], color=INK, label="99 %")
    axes.plot([], [], color=INK, linestyle=(0, (1, 1.5)), label="median")
    logarithmic(axes.xaxis)
    logarithmic(axes.yaxis)
    axes.set_xlabel("activations per second, fixed")
    axes.set_ylabel("ms")
    legend(axes)
    return figure


def cold(series, totals):
    """series: {contestant: [(step, ms), ...]}, stacked; totals: {contestant: ms}. Of medians the sum
    is not the median of the sums, which is what is written."""
    figure, axes = canvas(2.6)
    shades = ((BLUE, 1.0), (BLUE, 0.55), (BLUE, 0.25))
    for row, (kind, steps) in enumerate(series.items()):
        left = 0
        for (color, alpha), (step, ms) in zip(shades, steps):
            axes.barh(row, ms, left=left, height=0.5, color=color, alpha=alpha,
                      label=step if row == 0 else None)
            left += ms
        axes.text(left, row, f"  {totals[kind]:.1f} ms", va="center")
    axes.set_yticks(range(len(series)), list(series))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.16)
    axes.set_xlim(left=0)
    axes.set_xlabel("ms from exec to the first answer")
    legend(axes, columns=3)
    return figure


def payload(series):
    figure, axes = canvas()
    lines(axes, series)
    logarithmic(axes.xaxis, [x for x, _ in next(iter(series.values()))],
                lambda value: {100: "100 B", 10_000: "10 KB", 100_000: "100 KB",
                               1_000_000: "1 MB"}.get(round(value), short(value)))
    logarithmic(axes.yaxis)
    axes.set_xlabel("size of the value")
    axes.set_ylabel("ms there and back")
    legend(axes)
    return figure


def pool(series):
    """series: {number of processors: [(workers, per second), ...]}"""
    figure, axes = canvas()
    for (n, points), (color, marker) in zip(series.items(), ((ORANGE, "s"), (BLUE, "o"))):
        axes.plot([x for x, _ in points], [y for _, y in points], color=color, marker=marker,
                  label=f"{n} processor{'s' * (n > 1)}")
    logarithmic(axes.xaxis, [x for x, _ in next(iter(series.values()))])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_xlabel("workers")
    axes.set_ylabel("activations per second")
    legend(axes)
    return figure


def memory(series, marks):
    """series: {contestant: [(second, MB), ...]}; marks: [(second, what begins there), ...]"""
    figure, axes = canvas()
    for kind, points in series.items():
        color, _, line = LOOKS[kind]
        axes.plot([x for x, _ in points], [y for _, y in points], color=color, linestyle=line,
                  label=kind, linewidth=1.5)
    logarithmic(axes.yaxis)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top * 1.5)
    for at, what in marks:
        axes.axvline(at, color=GRID, linewidth=1)
        if what not in ("at rest", "/init"):
            axes.text(at, top * 1.4, f" {what}", fontsize=8, va="top", color=MUTED)
    axes.grid(axis="x", visible=False)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds")
    axes.set_ylabel("MB resident")
    legend(axes)
    return figure


CALL_COLORS = ((GREY, ""), (BLUE, "o"), (ORANGE, "s"), (MAGENTA, "D"))


def calls(series):
    """series: {pair: {"anonymous": [(n, us), ...], "named": [...]}}"""
    figure, axes = canvas()
    for (pair, pipes), (color, marker) in zip(series.items(), CALL_COLORS):
        for pipe, points in pipes.items():
            axes.plot([x for x, _ in points], [y for _, y in points], color=color, marker=marker,
                      linestyle="-" if pipe == "anonymous" else (0, (1, 1.5)),
                      label=pair if pipe == "anonymous" else None)
    if any("named" in pipes for pipes in series.values()):
        axes.plot([], [], color=MUTED, linestyle=(0, (1, 1.5)), label="the same, named pipes")
    logarithmic(axes.xaxis)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("calls in a row")
    axes.set_ylabel("µs per call")
    legend(axes)
    return figure


def languages(rows):
    """rows: [(language, per second, ms of /init), ...]; two sets of dots side by side."""
    figure, both = plt.subplots(1, 2, figsize=SIZE, layout="constrained", sharey=True)
    for axes, at, color, label in ((both[0], 1, BLUE, "activations per second"),
                                   (both[1], 2, ORANGE, "ms for /init")):
        axes.plot([row[at] for row in rows], [row[0] for row in rows], linestyle="", marker="o",
                  color=color)
        for row in rows:
            axes.annotate(f"{row[at]:,.0f}" if row[at] >= 10 else f"{row[at]:.1f}",
                          (row[at], row[0]), xytext=(6, 0), textcoords="offset points",
                          va="center", fontsize=7.5)
        logarithmic(axes.xaxis)
        axes.margins(x=0.3)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(label)
    both[0].invert_yaxis()
    return figure


def drawn(draw, key, title, *data):
    """The SVG text of one picture."""
    with matplotlib.rc_context(STYLE):
        return svg_of(draw(*data), key, title)
