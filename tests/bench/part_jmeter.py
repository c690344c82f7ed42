"""The table that JMeter makes: the old way against resident actions."""

import dataclasses

import report
import stress

PART = "JMeter"


def jmeter(bench):
    """HelloStress.jmx, as scripts/jmeter.sh runs it."""
    threads, loops = (10, 20) if bench.options.quick else (100, 100)
    folder = bench.folder / "jmeter"
    folder.mkdir()
    results = stress.hello(bench.makers, folder, threads, loops, payload=0)
    for row in results.rows:
        bench.add(report.of_samples(
            [row.average], part=f"{PART}, {threads} threads x {loops} requests", unit="ms",
            name=f"average: {row.label}", command=results.command,
            more={**dataclasses.asdict(row), "threads": threads, "loops": loops}))
