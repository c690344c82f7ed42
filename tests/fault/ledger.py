"""What the soak asked and what came of it: every answer held against its request, every loss against
the fault that may have cost it."""

import collections
import datetime
import json
import re

EXITED = (400, "command exited")
# A worker that is dying while its pipes have ended already is killed after a moment, which on a busy
# machine comes before its death is told: what may have begun fails with this (runtime/README.md).
KILLED = (400, "the activation had begun when its process was killed: the action had to end")
NO_RESULT = (502, "The action did not return a dictionary or array.")
LATE = (502, "The action exceeded its time limits of ")
BROKEN = (400, "Error unmarshaling request: ")

# What each kind of request wants to hear: None for its own echo, else status and start of the text.
WANTED = {
    "plain": None, "slow": None, "flood": None, "forge": None, "grow": None, "large": None,
    "twice": None, "late-twice": None, "dawdle": None,
    "exit": EXITED, "half": EXITED, "hang": LATE, "nonsense": NO_RESULT, "broken": BROKEN,
    # The client is gone before it could hear.
    "cut": None, "leave": None,
}
UNHEARD = ("cut", "leave")
HARMLESS = ("plain", "large", "grow", "slow")
LONGEST_S = 300  # no request is under way for longer
# A process with a late activation that reads nothing for a second is ended, with all that run in
# it (runtime/README.md). It may be blocked because nobody reads its log. The proxy logs the late
# activation and the end of the process. These are the bounds of the time between the two lines:
# below a second where a frozen proxy logged the first one late, above it on a busy machine.
STUCK_S = (0.4, 10)
LOGGED_RE = re.compile(
    r"^(\S+) info (?:activation\.end outcome=(late) worker|worker\.stop pid)=(\d+) (.*)$", re.M)


def logged_stops(log):
    """When the proxy ended a process that read nothing beside a late activation, in seconds since 1970;
    from its log at level info."""
    moments, late = [], collections.defaultdict(list)
    for at, is_late, pid, rest in LOGGED_RE.findall(log):
        at_s = datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
        if is_late:
            late[pid].append(at_s)
        elif "why=deadline" in rest and any(STUCK_S[0] <= at_s - one <= STUCK_S[1] for one in late[pid]):
            moments.append(at_s)
    return moments


class Request:
    """One request: of which kind, when it was sent, and what was told."""

    __slots__ = ("id", "kind", "n", "sent_at", "ended_at", "status", "text")

    def __init__(self, name, kind, n, now):
        self.id, self.kind, self.n = name, kind, n
        self.sent_at, self.ended_at, self.status, self.text = now, None, None, b""

    def __repr__(self):
        return f"{self.kind} {self.id} n={self.n}: {self.status} {self.text[:120]!r}"

    def is_own_echo(self):
        try:
            answer = json.loads(self.text)
        except ValueError:
            return False
        wanted = {"id": self.id}
        if self.kind == "grow":
            wanted["pad"] = "x" * self.n
        return self.status == 200 and answer == wanted

    def says(self, status, start):
        try:
            return self.status == status and json.loads(self.text)["error"].startswith(start)
        except (ValueError, TypeError, KeyError):
            return False

    def is_as_wanted(self):
        wanted = WANTED[self.kind]
        if wanted is EXITED:
            return self.died()
        return self.is_own_echo() if wanted is None else self.says(*wanted)

    def died(self):
        return self.says(*EXITED) or self.says(*KILLED)


class Ledger:
    """Counts of everything; only what went wrong is kept whole."""

    def __init__(self, one_at_a_time=True):
        self.one_at_a_time = one_at_a_time                # how many activations a kill may cost
        self.n_sent = collections.Counter()               # by kind
        self.answers = collections.defaultdict(collections.Counter)  # kind -> status -> n
        self.injected = collections.Counter()             # faults from outside, by name
        self.kills = []                                   # [from, until] of each worker's death
        self.exited = []                                  # requests that died with their worker
        self.wrong = []                                   # requests answered as nothing explains
        self.n_activations = 0                            # answered ones that reached the action
        self.n_unheard = 0                                # those that may have reached it
        self.n_flood_lines = 0                            # that must stand in the log
        self.n_flood_lines_more = 0                       # that may

    def answered(self, request, now):
        request.ended_at = now
        self.answers[request.kind][request.status] += 1
        if request.kind != "broken":
            self.n_activations += 1
        fine = request.is_as_wanted()
        if request.kind == "flood":
            if fine:
                self.n_flood_lines += request.n
            else:
                self.n_flood_lines_more += request.n
        if fine:
            return
        if request.died():
            self.exited.append(request)
        else:
            self.wrong.append(request)

    def left(self, request):
        self.answers[request.kind]["left"] += 1
        self.n_unheard += 1

    def killed(self, now):
        """A worker was told to die. Returns [from, until]; until is set when it is seen dead."""
        self.injected["worker killed"] += 1
        self.kills.append([now, now])
        return self.kills[-1]

    def read_log(self, log, monotonic_at_0):
        """The proxy's log. Where a process does several at a time, those beside a late one may end with it."""
        if self.one_at_a_time:
            return
        for at_s in logged_stops(log):
            at = at_s + monotonic_at_0
            self.kills.append([at, at + 0.001])  # the log's times are cut to milliseconds

    def unexplained_deaths(self):
        """
        Each kill explains one activation at most, which was under way while the worker died. They
        are taken in the order of their ends, each with the earliest kill that is left for it. Where
        workers do several at a time a kill explains all that were under way.
        """
        free = sorted(self.kills, key=lambda kill: kill[1])
        unexplained = []
        for request in sorted(self.exited, key=lambda one: one.ended_at):
            while free and free[0][1] < request.sent_at - LONGEST_S:
                del free[0]  # nobody who is still to come was under way then
            kill = next((one for one in free if one[1] >= request.sent_at
                         and one[0] <= request.ended_at), None)
            if kill is None:
                unexplained.append(request)
            elif self.one_at_a_time:
                free.remove(kill)
        return unexplained

    def n_faults(self):
        """Those injected, from outside and by requests."""
        return sum(self.injected.values()) + sum(
            n for kind, n in self.n_sent.items() if kind not in HARMLESS)

    def table(self):
        """Rows of text: what was injected, and what was answered to it."""
        rows = [("fault", "times", "answers by status")]
        for name, n in sorted(self.injected.items()):
            cost = f"{len(self.exited)} running activations lost" if name == "worker killed" else ""
            rows.append((name, n, cost))
        for kind, n in sorted(self.n_sent.items()):
            told = ", ".join(f"{status}: {count}" for status, count
                             in sorted(self.answers[kind].items(), key=str))
            rows.append((DESCRIBED[kind], n, told))
        return rows


DESCRIBED = {
    "plain": "(none: plain requests)", "slow": "action takes its time", "flood": "action floods its log",
    "forge": "action prints an answer", "grow": "large answer", "large": "large body",
    "twice": "action answers twice", "late-twice": "action answers twice, late",
    "dawdle": "client sends half, rests, goes on", "exit": "action exits",
    "half": "action exits in an answer", "hang": "action hangs past its deadline",
    "nonsense": "action answers nonsense", "broken": "body that is no JSON",
    "cut": "client leaves in its request", "leave": "client leaves before the answer",
}
