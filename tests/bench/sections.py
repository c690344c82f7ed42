"""What the report shows, in its order: each section with its sentence, its picture and its table.

All numbers are taken from the JSON file of one run; nothing is measured here.
"""

import dataclasses
import json
import typing

import part_languages
import part_peers
import plots
from contestants import ALL, C_ACTION, CEILING, PYTHON_ACTION, SPAWNING, START_ALONE
from jtl import HEADS, Row, cells
from report import FORMAT, number
from servers import Trouble

STEPS = {"exec to listening": "exec to listening", "/init at once after exec": "/init",
         "first /run after it": "first /run"}
RATE_PART = "Latency at a fixed rate"
FOLLOWED_P99_MS = 10  # a rate counts as followed where 99 % take less
HIGH_RATE = 10_000  # of the second distribution; less where an action does not follow
# For the heads of tables, which have little room.
SHORT = {CEILING: "libh2o alone", C_ACTION: "C", PYTHON_ACTION: "Python",
         SPAWNING: "a process each"}


@dataclasses.dataclass
class Section:
    """One picture and all that belongs to it."""

    key: str        # name of its file and of its place on the page
    title: str
    sentence: str   # what there is to see
    svg: str
    head: list
    rows: list      # of texts; the first column is words, the others are figures
    command: str    # what was run for one of the figures
    part: str       # of bench.py, for --only


class Run:
    """The figures of one JSON file."""

    def __init__(self, document):
        self.document = document
        self.figures = document["figures"]

    def of(self, part, **wanted):
        """The figures of a part whose `more` has all that is wanted."""
        return [figure for figure in self.figures if figure["part"].startswith(part)
                and all(figure["more"].get(name) == value for name, value in wanted.items())]

    def one(self, part, **wanted):
        found = self.of(part, **wanted)
        if not found:
            told = ", ".join(f"{name}={value}" for name, value in wanted.items())
            raise Trouble(f"the file has no figure of '{part}' with {told}: a part is missing; "
                          "make it with scripts/bench.sh --report")
        return found[0]


def read(path):
    """A JSON file of bench.py that is whole and without troubles, as a Run."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise Trouble(f"cannot read '{path}': {fault.strerror}") from fault
    except ValueError as fault:
        raise Trouble(f"'{path}' is not whole: {fault}") from fault
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Trouble(f"'{path}' is not a file of bench.sh, or of another version: "
                      f"want \"format\": {FORMAT}")
    if document["troubles"]:
        raise Trouble(f"'{path}' is of a run that went wrong: {'; '.join(document['troubles'])}")
    return Run(document)


def as_percent(share):
    return f"{100 * share:.0f} %"


def old_way(run):
    figures = run.of("JMeter")
    rows = [Row(**{field.name: figure["more"][field.name] for field in dataclasses.fields(Row)})
            for figure in figures]
    if len(rows) != 3:
        raise Trouble("the file has no figures of JMeter: make it with scripts/bench.sh --report")
    more = figures[0]["more"]
    return Section(
        key="oldway", title="The old way against residency, by JMeter", part="jmeter",
        sentence=(f"{more['threads']} threads send {more['loops']} requests each, as fast as they "
                  f"can. A reply takes {rows[0].average:.0f} ms on average with a process for each "
                  f"request, {rows[1].average:.1f} ms with a resident C action and "
                  f"{rows[2].average:.1f} ms with a resident Python action. JMeter runs on the same "
                  "processors, and much of the two short times is its own."),
        svg=plots.drawn(plots.oldway, "oldway", "JMeter: three targets",
                        [dataclasses.asdict(row) for row in rows]),
        head=["ms", *HEADS], rows=[[row.label, *cells(row)] for row in rows],
        command=figures[0]["command"])


def throughput(run):
    part = "Activations per second"
    connections = sorted({figure["more"]["connections"] for figure in run.of(part)})
    found = {(kind, n): run.one(part, kind=kind, connections=n)
             for kind in ALL for n in connections}
    top = connections[-1]
    series = {kind: [(n, found[kind, n]["value"]) for n in connections] for kind in ALL}
    return Section(
        key="throughput", title="Throughput against connections", part="throughput",
        sentence=(f"With {top} connections: {number(found[C_ACTION, top]['value'])} requests per "
                  f"second with the C action ({as_percent(found[C_ACTION, top]['share'])} of libh2o "
                  f"alone), {number(found[PYTHON_ACTION, top]['value'])} with the Python action "
                  f"({as_percent(found[PYTHON_ACTION, top]['share'])}), and "
                  f"{number(found[SPAWNING, top]['value'])} with a process for each request. Grey: "
                  "libh2o alone."),
        svg=plots.drawn(plots.throughput, "throughput", "throughput against connections", series),
        head=["connections", *[text for kind in ALL for text in (f"{SHORT[kind]}, /s", "share")]],
        rows=[[str(n), *[text for kind in ALL for text in
                         (number(found[kind, n]["value"]), f"{found[kind, n]['share']:.2f}")]]
              for n in connections],
        command=found[C_ACTION, top]["command"])


def follows(figure):
    return not figure["more"]["saturated"] and figure["more"]["p99_ms"] < FOLLOWED_P99_MS


def followed(run, kind):
    """The rates that it followed."""
    return {figure["more"]["rate"] for figure in run.of(RATE_PART, kind=kind) if follows(figure)}


def distribution_rate(run, high):
    """A low rate, or a high one that both actions followed."""
    both = followed(run, C_ACTION) & followed(run, PYTHON_ACTION)
    if not both:
        raise Trouble("the file has no rate that both actions followed: the machine was too busy, "
                      "or a part is missing; make it with scripts/bench.sh --report --only open")
    return max((rate for rate in both if rate <= HIGH_RATE), default=min(both)) if high \
        else min(both)


def distribution(key, high):
    def section(run):
        rate = distribution_rate(run, high)
        found = {kind: run.one(RATE_PART, kind=kind, rate=rate) for kind in ALL
                 if rate in followed(run, kind)}
        series = {kind: [(float(percent), us / 1000) for percent, us in
                         figure["more"]["latency_us"].items()] for kind, figure in found.items()}
        shown = ("50", "90", "99", "99.9")
        mine = found[C_ACTION]["more"]["latency_us"]
        left = [kind for kind in ALL if kind not in found]
        return Section(
            key=key, title=f"Latency at {rate:,} activations per second", part="open",
            sentence=(f"The C action answers half of the requests within {mine['50'] / 1000:.2f} ms and "
                      f"99 % within {mine['99'] / 1000:.2f} ms. A request's time begins at the "
                      "moment it was due, even if it was sent later."
                      + (f" Too slow for this rate: {'; '.join(left)}." if left else "")),
            svg=plots.drawn(plots.distribution, key, "latency distribution", series),
            head=["ms", *[f"{percent} %" for percent in shown], "most", "requests"],
            rows=[[kind, *[f"{figure['more']['latency_us'][percent] / 1000:.3f}"
                           for percent in (*shown, "100")], f"{figure['more']['n_requests']:,}"]
                  for kind, figure in found.items()],
            command=found[C_ACTION]["command"])
    return section


def rates(run):
    series = {kind: [(figure["more"]["rate"], figure["more"]["p50_ms"], figure["more"]["p99_ms"],
                      not follows(figure)) for figure in run.of(RATE_PART, kind=kind)]
              for kind in ALL}
    if not all(series.values()):
        raise Trouble("the file has no latencies at fixed rates of all: a part is missing")
    every = sorted({point[0] for points in series.values() for point in points})
    limits = {kind: max((point[0] for point in points if not point[3]), default=0)
              for kind, points in series.items()}

    def cell(kind, rate):
        for point in series[kind]:
            if point[0] == rate:
                return f"{point[1]:.3f} / {point[2]:.3f}" + (" ×" if point[3] else "")
        return ""

    return Section(
        key="rates", title="Latency against rate", part="open",
        sentence=(f"The highest rate per second at which 99 % of the requests took less than {FOLLOWED_P99_MS} ms: "
                  + "; ".join(f"{SHORT[kind]} {f'{rate:,}' if rate else 'none'}" for kind, rate in limits.items())
                  + ". A cross marks a rate at which they took longer. Requests queue up there, so a longer run "
                  "shows longer times."),
        svg=plots.drawn(plots.rates, "rates", "latency against rate", series),
        head=["per second; ms: 50 % / 99 %", *SHORT.values()],
        rows=[[f"{rate:,}", *[cell(kind, rate) for kind in ALL]] for rate in every],
        command=run.one(RATE_PART, kind=C_ACTION)["command"])


def cold(run):
    kinds = (C_ACTION, PYTHON_ACTION)
    found = {(kind, step): run.one("Cold start", kind=kind, step=step)
             for kind in kinds for step in (*STEPS, "/init alone, proxy idle",
                                            "exec to first answer")}
    series = {kind: [(name, found[kind, step]["value"]) for step, name in STEPS.items()]
              for kind in kinds}
    rows = [[kind, *[f"{found[kind, step]['value']:.2f}" for step in
                     (*STEPS, "exec to first answer", "/init alone, proxy idle")]]
            for kind in kinds]
    floors, beside = cold_floors(run, found)
    return Section(
        key="cold", title="Cold start", part="cold",
        sentence=("From exec to the first answer: "
                  f"{found[C_ACTION, 'exec to first answer']['value']:.1f} ms with a C action, "
                  f"{found[PYTHON_ACTION, 'exec to first answer']['value']:.1f} ms with a Python "
                  "action. /init of a proxy that runs already: "
                  f"{found[C_ACTION, '/init alone, proxy idle']['value']:.1f} ms and "
                  f"{found[PYTHON_ACTION, '/init alone, proxy idle']['value']:.1f} ms."
                  + beside),
        svg=plots.drawn(plots.cold, "cold", "cold start by steps", series,
                        {kind: found[kind, "exec to first answer"]["value"] for kind in kinds}),
        head=["ms", *STEPS.values(), "all", "/init of an idle proxy"],
        rows=rows + floors, command=found[C_ACTION, "exec to first answer"]["command"])


def cold_floors(run, found):
    """(rows, words) of what is the least; none for a file from before that was measured."""
    listen = run.of("Cold start", kind=CEILING)
    spawn = run.of("Cold start", kind=START_ALONE)
    if not listen or not spawn:
        return [], ""
    shares = (found[C_ACTION, "exec to listening"]["share"],
              found[C_ACTION, "/init alone, proxy idle"]["share"])
    return ([[CEILING, f"{listen[0]['value']:.2f}", "", "", "", ""],
             [START_ALONE, "", "", "", "", f"{spawn[0]['value']:.2f}"],
             ["C action, times that", f"{shares[0]:.2f}", "", "", "", f"{shares[1]:.2f}"]],
            f" The proxy takes {shares[0]:.2f} times as long as libh2o alone until it listens. /init "
            f"with the C action takes {shares[1]:.1f} times as long as starting its program alone.")


def payload(run):
    part = "Echo of one body"
    sizes = sorted({figure["more"]["bytes"] for figure in run.of(part)})
    found = {(kind, size): run.one(part, kind=kind, bytes=size) for kind in ALL for size in sizes}
    last = sizes[-1]
    return Section(
        key="payload", title="Large bodies", part="echo",
        sentence=("One connection sends a body of 1 MB and gets it back. That takes "
                  f"{found[CEILING, last]['value']:.2f} ms with libh2o alone, "
                  f"{found[C_ACTION, last]['value']:.2f} ms with the C action and "
                  f"{found[PYTHON_ACTION, last]['value']:.1f} ms with the Python action, which parses "
                  "and writes the JSON."),
        svg=plots.drawn(plots.payload, "payload", "time of an echo against its size",
                        {kind: [(size, found[kind, size]["value"]) for size in sizes]
                         for kind in ALL}),
        head=["bytes; ms", *SHORT.values()],
        rows=[[f"{size:,}", *[f"{found[kind, size]['value']:.3f}" for kind in ALL]]
              for size in sizes],
        command=found[C_ACTION, last]["command"])


def pool(action, key, words):
    def section(run):
        part = "Pool scaling"
        figures = run.of(part, action=action)
        processors = sorted({figure["more"]["processors"] for figure in figures})
        workers = sorted({figure["more"]["workers"] for figure in figures})
        if not figures:
            raise Trouble("the file has no figures of pool scaling: a part is missing")
        found = {(n, w): run.one(part, action=action, processors=n, workers=w)
                 for n in processors for w in workers}
        most = processors[-1]
        one, best = found[most, 1]["value"], max(found[most, w]["value"] for w in workers)
        rows = [[f"{w}", *[text for n in processors for text in (
            number(found[n, w]["value"]), f"{found[n, w]['more']['p50_us'] / 1000:.2f}",
            f"{found[n, w]['more']['p99_us'] / 1000:.2f}")]] for w in workers]
        return Section(
            key=key, title=f"Pool: a Python action that {action}", part="pool",
            sentence=f"{words} With {most} processor{'s' * (most > 1)}, one worker answers "
                     f"{number(one)} requests per second, and the best pool {number(best)}.",
            svg=plots.drawn(plots.pool, key, "throughput against workers",
                            {n: [(w, found[n, w]["value"]) for w in workers] for n in processors}),
            head=["workers", *[text for n in processors for text in
                               (f"/s, {n} processor{'s' * (n > 1)}", "50 % ms", "99 % ms")]],
            rows=rows, command=found[most, workers[-1]]["command"])
    return section


def memory(run):
    kinds = (CEILING, C_ACTION, PYTHON_ACTION)
    found = {kind: run.one("Memory over time", kind=kind) for kind in kinds}
    mine = found[C_ACTION]["more"]

    def after(kind):
        return found[kind]["more"]["series"][-1]

    return Section(
        key="memory", title="Memory over time", part="timeline",
        sentence=("Resident memory of the server without its workers. With the C action: "
                  f"{mine['series'][0][1]:.1f} MB at the start, {found[C_ACTION]['value']:.0f} MB at "
                  "most (16 bodies of 1 MB at once), and "
                  f"{after(C_ACTION)[1]:.0f} MB at the end."),
        svg=plots.drawn(plots.memory, "memory", "memory over time",
                        {kind: [(at, own) for at, own, _ in found[kind]["more"]["series"]]
                         for kind in kinds}, mine["marks"]),
        head=["MB", "first", "most", "at the end", "its workers at the end"],
        rows=[[kind, f"{found[kind]['more']['series'][0][1]:.1f}", f"{found[kind]['value']:.1f}",
               f"{after(kind)[1]:.1f}", f"{after(kind)[2]:.1f}"] for kind in kinds],
        command=found[C_ACTION]["command"])


def calls(pinned):
    def section(run):
        part = "One call through the pipes"
        figures = run.of(part, one_processor=pinned)
        if not figures:
            raise Trouble("the file has no figures of calls: a part is missing")
        counts = sorted({figure["more"]["n"] for figure in figures})
        series = {}
        for figure in figures:
            more = figure["more"]
            series.setdefault(more["pair"], {}).setdefault(more["pipe"], []).append(
                (more["n"], figure["value"]))

        def row(points):
            measured = dict(points)
            return [f"{measured[n]:.2f}" if n in measured else "" for n in counts]

        raw, native, python = (series[pair]["anonymous"][-1][1] for pair in
                               ("two processes, one byte", "C to C", "C to Python"))
        where = "All processes run on one processor" if pinned \
            else "The processes run where the scheduler puts them"
        return Section(
            key="calls-one" if pinned else "calls", part="calls",
            title=f"Call overhead, {'one processor' if pinned else 'any processor'}",
            sentence=("A call is a line through one pipe and its answer through another, without "
                      f"HTTP. {where}. A call takes {native:.1f} µs from C to C and {python:.1f} µs "
                      f"from C to Python. One byte there and back takes {raw:.1f} µs."),
            svg=plots.drawn(plots.calls, "calls-one" if pinned else "calls",
                            "time of a call against their number", series),
            head=["µs per call", *[f"{n:,} calls" for n in counts]],
            rows=[[f"{pair}, {pipe}", *row(points)]
                  for pair, pipes in series.items() for pipe, points in pipes.items()],
            command=figures[-1]["command"])
    return section


def languages(run):
    """None for a file from before there was this part."""
    rates = {one["more"]["language"]: one for one in run.of(part_languages.PART,
                                                           what=part_languages.RATE)}
    inits = {one["more"]["language"]: one["value"] for one in run.of(part_languages.PART,
                                                                     what=part_languages.INIT)}
    if not rates:
        return None
    order = sorted(rates, key=lambda name: -rates[name]["value"])
    rows = [(name, rates[name]["value"], inits[name]) for name in order]
    return Section(
        key="languages", title="Languages", part="languages",
        sentence=("The same small action in each language, with "
                  f"{part_languages.CONNECTIONS} connections: {number(rows[0][1])} requests per "
                  f"second with {rows[0][0]}, the fastest, and {number(rows[-1][1])} with "
                  f"{rows[-1][0]}, the slowest. /init takes longest where it compiles."),
        svg=plots.drawn(plots.languages, "languages", "rate and /init of each language", rows),
        head=["language", "/s", "50 % ms", "99 % ms", "/init ms"],
        rows=[[name, number(rate), f"{rates[name]['more']['p50_us'] / 1000:.2f}",
               f"{rates[name]['more']['p99_us'] / 1000:.2f}", number(init)]
              for name, rate, init in rows],
        command=rates[order[0]]["command"])


SECTIONS: tuple[typing.Callable[[Run], Section | None], ...] = (
    old_way, throughput, distribution("latency-low", False), distribution("latency-high", True),
    rates, cold, payload,
    pool("computes", "pool-computes", "Each activation computes for about a millisecond."),
    pool("waits 5 ms", "pool-waits", "Each activation waits for 5 ms, and other workers run meanwhile."),
    memory, calls(False), calls(True), languages)


def plain_tables(run):
    """(title, head, rows, command) of what is told without a picture."""
    figures = run.of(part_peers.PART)
    if figures:
        yield ("What one would pick instead", part_peers.head(), list(part_peers.rows(figures)),
               figures[0]["command"])
    for title, part in (("Launcher alone, a function that does nothing",) * 2,
                        ("Instructions per activation, user space",) * 2,
                        ("Resident memory",) * 2):
        figures = run.of(part)
        if figures:
            yield (title, ["", figures[0]["unit"] or "instructions", "goal"],
                   [[figure["name"], number(figure["value"])
                     + ("" if figure["unit"] in ("", figures[0]["unit"])
                        else f" {figure['unit']}"), figure["goal"]] for figure in figures],
                   figures[0]["command"])


def facts(run):
    """(name, text) of what the run was made on, with and when."""
    document = run.document
    machine, versions = document["machine"], document["versions"]
    yield "date", document["date"]
    yield "machine", (f"{machine['n_processors']} × {machine['processor']}, "
                      f"{machine['memory_kb'] / 1e6:.0f} GB, kernel {machine['kernel']}")
    yield "load before and after", (f"{machine['load_before'][0]:.2f}, "
                                    f"{machine['load_after'][0]:.2f}")
    for name, text in versions.items():
        if name == "git_changed":
            if text:
                yield "git", "with changes that are not committed"
        elif text:
            yield name, text
    for name, text in document["settings"].items():
        yield name, text
    if document["quick"]:
        yield "quick", "one round instead of several: take nothing within 10 % as true"
    if document["pinned"]:
        yield "pinned", "throughput and echo with wrk on the first processor, all else on the others"


def sections(run):
    return [section for section in (make(run) for make in SECTIONS) if section is not None]
