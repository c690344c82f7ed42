"""The budget of instructions per activation: what budget.json records must not be passed.

No neighbour's load enters into a count, so this can fail a build where a time must not. A limit is
raised by hand, with the reason, in the same commit as what needs it.
"""

import json
import pathlib

FILE = pathlib.Path(__file__).with_name("budget.json")


def passed(figures):
    """A sentence for each figure that is above its limit, or missing."""
    counts = {figure.name: figure.value for figure in figures}
    for name, entry in json.loads(FILE.read_text())["limits"].items():
        limit = entry["instructions"]
        count = counts.get(name)
        if count is None:
            yield f"budget: '{name}' was not counted"
        elif count > limit:
            yield (f"budget: '{name}' takes {count:,.0f} instructions, the limit is {limit:,}: "
                   f"find out why, or raise it in {FILE.name} with the reason")
