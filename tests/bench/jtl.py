"""JMeter's result file: read it, refuse it unless it is whole, make the table of it.

Columns are found by their names, as JMeter 2.13 and 5.x write different ones.
"""

import csv
import dataclasses
import io
import math
import statistics

from servers import Trouble

NEEDED = ("timeStamp", "elapsed", "label", "responseCode", "success")
WARM_UP = "warm-up"  # the label of what is not counted
N_SHOWN = 3          # errors that are told word for word


@dataclasses.dataclass
class Sample:
    """One request, as JMeter saw it."""

    at_ms: int
    elapsed_ms: int
    label: str
    code: str
    success: bool
    message: str


@dataclasses.dataclass
class Row:
    """A line of the table; times in whole milliseconds, as JMeter takes them."""

    label: str
    samples: int
    average: float
    median: float
    p90: int
    p95: int
    p99: int
    min: int
    max: int
    errors: int
    per_second: float


def sample_of(row, number, path):
    try:
        return Sample(at_ms=int(row["timeStamp"]), elapsed_ms=int(row["elapsed"]),
                      label=row["label"], code=row["responseCode"],
                      success={"true": True, "false": False}[row["success"]],
                      message=row.get("failureMessage") or row.get("responseMessage") or "")
    except (KeyError, TypeError, ValueError):
        raise Trouble(f"'{path}', sample {number}: not a whole line; "
                      "the file was cut short or JMeter was ended") from None


def read(path):
    """All samples but those of the warm-up that went well."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise Trouble(f"JMeter left no results in '{path}': {fault.strerror}") from fault
    if not text:
        raise Trouble(f"JMeter left no results in '{path}': the file is empty")
    if not text.endswith("\n"):
        raise Trouble(f"'{path}' ends in the middle of a line: it was cut short")
    rows = csv.DictReader(io.StringIO(text, newline=""))  # a message may have several lines
    lacking = [name for name in NEEDED if name not in (rows.fieldnames or [])]
    if lacking:
        raise Trouble(f"'{path}' has no column {', '.join(lacking)}; "
                      "want CSV with the names in the first line")
    samples = [sample_of(row, number, path) for number, row in enumerate(rows, 1)]
    return [sample for sample in samples if sample.label != WARM_UP or not sample.success]


def check(samples, wanted, path):
    """That each label has as many samples as it must, and that no assertion failed."""
    wrong = [sample for sample in samples if not sample.success]
    if wrong:
        told = "; ".join(f"{sample.label}: {sample.code} {sample.message[:200]}"
                         for sample in wrong[:N_SHOWN])
        raise Trouble(f"{len(wrong)} of {len(samples)} answers failed an assertion: {told}")
    for label, n in wanted.items():
        found = sum(sample.label == label for sample in samples)
        if found != n:
            raise Trouble(f"'{path}' has {found} samples of '{label}', want {n}: "
                          "JMeter did not get to the end")
    strangers = {sample.label for sample in samples} - set(wanted)
    if strangers:
        raise Trouble(f"'{path}' has samples that nobody expects: {', '.join(sorted(strangers))}")


def percentile(ordered, percent):
    """The smallest value that so many per cent of all do not pass."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def row_of(label, samples):
    times = sorted(sample.elapsed_ms for sample in samples)
    began = min(sample.at_ms for sample in samples)
    ended = max(sample.at_ms + sample.elapsed_ms for sample in samples)
    return Row(label=label, samples=len(times), average=statistics.mean(times),
               median=statistics.median(times), p90=percentile(times, 90),
               p95=percentile(times, 95), p99=percentile(times, 99), min=times[0], max=times[-1],
               errors=sum(not sample.success for sample in samples),
               per_second=len(times) * 1000 / max(ended - began, 1))


def rows(samples, labels):
    return [row_of(label, [sample for sample in samples if sample.label == label])
            for label in labels if any(sample.label == label for sample in samples)]


HEADS = ("samples", "average", "median", "90 %", "95 %", "99 %", "min", "max", "errors", "per second")


def cells(row):
    """A row of the table as texts, in the order of HEADS."""
    return [f"{row.samples:,}", f"{row.average:.1f}", f"{row.median:.0f}", f"{row.p90}",
            f"{row.p95}", f"{row.p99}", f"{row.min}", f"{row.max}",
            f"{row.errors / row.samples:.2%}", f"{row.per_second:,.0f}"]


def table(found):
    """The lines of the table; times in milliseconds."""
    wide = max(len(row.label) for row in found)
    lines = [f"{'ms':<{wide}} " + " ".join(f"{head:>10}" for head in HEADS)]
    lines += [f"{row.label:<{wide}} " + " ".join(f"{cell:>10}" for cell in cells(row))
              for row in found]
    return lines
