"""Answers in parts, in every language that can send them: over HTTP, through pipe and by invoke.

The action of each language sends {"i": 0} to {"i": n - 1}. Then it ends the process if `die` is there,
fails with the text "boom" if `boom` is, returns nothing if `list` is, and else returns {"total": n}.
"""

import itertools
import json
import os
import signal
import subprocess
import threading

import pytest

from languages import language
from test_languages import shell_command
from watch import ends
from whisk import PROGRAM, WAIT_S, assert_error, wait_until
from wire import request_bytes

EVENTS = "text/event-stream"
LINES = "application/x-ndjson"

CODES = {
    "python": """
import os
def main(args):
    try:
        for i in range(args["n"]):
            yield {"i": i}
            if "gate" in args:
                open(args["gate"]).read()
    finally:
        print("closed", flush=True)
    if "die" in args: os._exit(3)
    if "boom" in args: raise ValueError("boom")
    if "list" not in args: return {"total": args["n"]}
""",
    "nodejs": """
async function* main(args) {
    try {
        for (let i = 0; i < args.n; i++) {
            yield { i };
            if (args.gate) await require('fs').promises.readFile(args.gate);
        }
    } finally {
        console.log('closed');
    }
    if (args.die) process.exit(3);
    if (args.boom) throw new Error('boom');
    if (!args.list) return { total: args.n };
}
""",
    "ruby": """
def main(args)
  Enumerator.new do |out|
    begin
      args['n'].times { |i| out << { i: i } }
    ensure
      puts 'closed'
    end
    exit!(3) if args['die']
    raise 'boom' if args['boom']
    args['list'] ? nil : { total: args['n'] }
  end
end
""",
    "php": """<?php
function main($args) {
    try {
        for ($i = 0; $i < $args['n']; $i++) { yield ['i' => $i]; }
    } finally {
        echo "closed\n";
    }
    if (isset($args['die'])) { exit(3); }
    if (isset($args['boom'])) { throw new Exception('boom'); }
    if (!isset($args['list'])) { return ['total' => $args['n']]; }
}
""",
    "perl": """
sub main {
    my ($args) = @_;
    for my $i (0 .. $args->{n} - 1) {
        next if part({ i => $i });
        print "closed\n";
        return;
    }
    exit 3 if $args->{die};
    die "boom\n" if $args->{boom};
    return $args->{list} ? $args->{n} ? undef : [] : { total => $args->{n} };
}
1;
""",
    "shell": """
main() {
    local i n
    arg -v n n
    for ((i = 0; i < n; i++)); do
        part '{"i":'$i'}' || { echo closed; return; }
    done
    [[ -z $(arg die) ]] || exit 3
    [[ -z $(arg boom) ]] || { fail boom; return 1; }
    if [[ -z $(arg list) ]]; then answer '{"total":'$n'}'; elif ((n == 0)); then answer '[]'; fi
}
""",
}

CODES["c"] = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <whisk_action.h>
int whisk_main(struct whisk *w)
{
    int64_t i, n = whisk_get_int(w, "n", 0);
    for (i = 0; i < n; i++) {
        whisk_add_int(w, "i", i);
        if (whisk_part(w, NULL) != 0) { puts("closed"); return 0; }
    }
    if (whisk_get_int(w, "die", 0)) { whisk_flush(); _exit(3); }
    if (whisk_get_int(w, "boom", 0)) return whisk_fail(w, "boom");
    if (whisk_get_int(w, "list", 0)) return n == 0 ? whisk_add_json(w, NULL, "[]", 2) : 0;
    return whisk_add_int(w, "total", n);
}
"""

CODES["go"] = """
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

type argument struct{ N, Die, Boom, List int }

func Main(ctx context.Context, args argument, part func(interface{}) error) (interface{}, error) {
	defer fmt.Println("closed")
	for i := 0; i < args.N; i++ {
		if err := part(map[string]int{"i": i}); err != nil {
			return nil, err
		}
	}
	if args.Die != 0 {
		os.Exit(3)
	}
	if args.Boom != 0 {
		return nil, errors.New("boom")
	}
	if args.List != 0 {
		return nil, nil
	}
	return map[string]int{"total": args.N}, nil
}
"""

CODES["java"] = """
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.function.Consumer;

public class Main {
    public static JsonElement main(JsonObject args, Consumer<JsonElement> parts) {
        int n = args.get("n").getAsInt();
        JsonObject total = new JsonObject();
        try {
            for (int i = 0; i < n; i++) {
                JsonObject part = new JsonObject();
                part.addProperty("i", i);
                parts.accept(part);
            }
        } finally {
            System.out.println("closed");
        }
        if (args.has("die")) Runtime.getRuntime().halt(3);
        if (args.has("boom")) throw new IllegalStateException("boom");
        if (args.has("list")) return null;
        total.addProperty("total", n);
        return total;
    }
}
"""

CODES["dotnet"] = """
using System;
using System.Text.Json.Nodes;

public static class Program
{
    public static object Main(JsonObject args, Action<object> part)
    {
        int n = (int)args["n"];
        try
        {
            for (int i = 0; i < n; i++) part(new { i });
        }
        finally
        {
            Console.WriteLine("closed");
        }
        if (args["die"] != null) Environment.Exit(3);
        if (args["boom"] != null) throw new InvalidOperationException("boom");
        return args["list"] != null ? null : new { total = n };
    }
}
"""

CODES["lua"] = """
function main(args)
  for i = 0, args.n - 1 do part({ i = i }) end
  if args.die then os.exit(3) end
  if args.boom then error("boom") end
  if not args.list then return { total = args.n } end
  if args.n == 0 then return {} end
end
"""

IN_PYTHON = "python, all in Python"  # as PyPy does it


@pytest.fixture(params=sorted(CODES))
def started(request, proxy):
    """started(*options): a proxy with the action of one language after the other."""
    row = language(request.param.partition(",")[0])
    env = {**row.env, "__OW_PYTHON_ACCELERATOR": "0"} if request.param == IN_PYTHON else row.env

    def start(*options):
        one = proxy(*row.options, *options, env=env)
        one.started(CODES[row.name])
        return one
    return start


class Reply:
    """A reply in parts, read to its end; chunks: as they were sent."""

    def __init__(self, stream, path, value, accept, headers=()):
        body = json.dumps({"value": value}).encode()
        self.stream = stream
        stream.send(request_bytes(path, body, headers=[f"Accept: {accept}", *headers]))

    def head(self):
        self.status, self.headers = self.stream.status_line()
        assert self.headers["Content-Length"] is None
        assert self.headers["Transfer-Encoding"] == "chunked"
        return self.status, self.headers["Content-Type"]

    def chunk(self):
        """The next piece, b"" after the last; None: it was cut off."""
        line = self.stream.file.readline()
        if not line:
            return None
        data = self.stream.file.read(int(line, 16) + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    def rest(self):
        """All that follows; fails when it has no proper end."""
        pieces = []
        while (piece := self.chunk()) != b"":
            assert piece is not None, f"cut off after {pieces[-3:]}"
            pieces.append(piece)
        return b"".join(pieces)


def stream(one, value, accept):
    with one.connect() as connection:
        reply = Reply(connection, "/run", value, accept)
        status, kind = reply.head()
        assert kind == accept
        return status, reply.rest()


def as_lines(*documents):
    return "".join(json.dumps(document, separators=(",", ":")) + "\n" for document in documents).encode()


SLOW = ("c", "go", "java", "dotnet")  # to compile
PARTS = [{"part": {"i": i}} for i in range(3)]
ENDLESS = 1_000_000_000


def check_lines(one):
    assert stream(one, {"n": 3}, LINES) == (200, as_lines(*PARTS, {"result": {"total": 3}}))
    assert stream(one, {"n": 3, "list": 1}, LINES) == (200, as_lines(*PARTS, {"result": None}))
    assert stream(one, {"n": 0}, LINES) == (200, as_lines({"result": {"total": 0}}))
    status, text = stream(one, {"n": 3, "boom": 1}, LINES)
    *parts, last = text.splitlines(True)
    assert (status, b"".join(parts)) == (200, as_lines(*PARTS))
    assert "boom" in json.loads(last)["error"]
    assert stream(one, {"n": 3, "die": 1}, LINES) == \
        (200, as_lines(*PARTS, {"error": "command exited", "kind": "died"}))
    assert stream(one, {"n": 1}, LINES)[0] == 200


def check_events(one):
    parts = b'data: {"i":0}\n\ndata: {"i":1}\n\n'
    assert stream(one, {"n": 2}, EVENTS) == (200, parts + b'event: result\ndata: {"total":2}\n\n')
    assert stream(one, {"n": 2, "list": 1}, EVENTS) == (200, parts + b"event: result\ndata: null\n\n")
    status, text = stream(one, {"n": 2, "boom": 1}, EVENTS)
    assert status == 200 and text.startswith(parts + b"event: error\ndata: {")
    assert stream(one, {"n": 2, "die": 1}, EVENTS) == \
        (200, parts + b'event: error\ndata: {"error":"command exited","kind":"died"}\n\n')


def check_result_or_list(one):
    assert one.run({"n": 3}).json == {"total": 3}
    assert one.run({"n": 3, "list": 1}).json == [{"i": 0}, {"i": 1}, {"i": 2}]
    assert one.run({"n": 0, "list": 1}).json in ([], {})  # Lua has one type for both
    assert "boom" in one.run({"n": 1, "boom": 1}).json["error"]
    assert_error(one.run({"n": 1, "die": 1}), 400, "command exited")


def test_who_asks_gets_parts_and_others_the_result_or_the_list(started):
    """In one proxy, as to compile and to start is most of what a language costs."""
    one = started()
    check_lines(one)
    check_events(one)
    check_result_or_list(one)
    one.check_streams(15)


@pytest.mark.parametrize("started", ["python"], indirect=True)
def test_the_type_that_is_accepted_decides(started):
    one = started()
    for accept, kind in (("text/event-stream;q=0.5", EVENTS), ("Text/Event-Stream", EVENTS),
                         ("text/html ; level=1 ,\tapplication/x-ndjson ; q=1.0 ", LINES),
                         ("text/event-stream;q=0, application/x-ndjson", LINES),
                         ("text/html\r\nAccept: application/x-ndjson", LINES),  # RFC 9110 5.3
                         ("text/event-stream;q=0\r\nAccept: */*\r\nAccept: text/event-stream", EVENTS)):
        with one.connect() as connection:
            reply = Reply(connection, "/run", {"n": 1}, accept)
            assert reply.head() == (200, kind)
            reply.rest()
    body = json.dumps({"value": {"n": 1}}).encode()
    for accept in ("text/event-stream;q=0", "text/event-stream;x; q=0.000", "text/event-streams", "*/*", ",;,",
                   "\r\nAccept: */*"):
        with one.connect() as connection:
            connection.send(request_bytes("/run", body, headers=[f"Accept: {accept}"]))
            assert connection.answer().json == {"total": 1}


NO_CONTROL = ("lua",)  # it cannot read without waiting


@pytest.mark.parametrize("started", sorted({*CODES, IN_PYTHON} - set(NO_CONTROL)), indirect=True)
def test_a_client_that_leaves_ends_the_function(started, folder):
    one = started("--workers=1", "--admin", f"unix:{folder}/admin")
    first, second = one.connect(), one.connect()
    reply = Reply(first, "/run", {"n": ENDLESS}, LINES)
    assert reply.head()[0] == 200 and reply.chunk().startswith(as_lines(PARTS[0]))
    Reply(second, "/run", {"n": ENDLESS}, EVENTS)  # its line may stand in the pipe, ahead
    second.reset()
    wait_until(lambda: ends(f"{folder}/admin").get("cancelled") == 1, "the second to be cancelled")
    first.close()
    wait_until(lambda: ends(f"{folder}/admin").get("cancelled") == 2, "both to be cancelled")
    assert one.run({"n": 2}).json == {"total": 2}
    assert "closed" in one.logs()[0].decode()


@pytest.mark.parametrize("name", sorted(set(CODES) - set(NO_CONTROL)))
def test_a_cancellation_may_come_in_one_read_with_its_line(name, folder):
    """A client that leaves at once: no launcher may wait for more input before it ends the function."""
    row = language(name)
    command = ["sh", "-c", 'exec "$@" 3>&1', "-",  # answers on 1 or 3, the log on the other
               *shell_command(row, folder, CODES[name])]
    env = {"PATH": "/usr/bin:/bin", "__OW_WAIT_FOR_ACK": "1", **row.env}
    lines = json.dumps({"value": {"n": ENDLESS}}) + "\ncancel %d\n"
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as launcher:
        timer = threading.Timer(WAIT_S, launcher.kill)
        timer.start()
        ready = json.loads(launcher.stdout.readline())
        assert ready["control"] and "concurrent" not in ready
        for n in (1, 2):
            launcher.stdin.write(lines % n)
            launcher.stdin.flush()
            said = itertools.dropwhile(lambda line: line.startswith(("+{", "closed")), launcher.stdout)
            assert next(said, None) is not None, "it waited"
        launcher.stdin.close()
        assert launcher.wait() == 0
        timer.cancel()


LATE = {  # leaves something behind that sends a part once the gate `late` is open
    "ruby": """
def main(args)
  Enumerator.new do |out|
    if args['late']
      Thread.new { File.read(args['late']); out << 'late' rescue File.write(args['told'], $!.message) }
    else
      out << 'mine'
      File.read(args['gate'])
    end
    { n: args['n'] }
  end
end
""",
    "shell": r"""
main() {
    local late told gate
    arg -v late late; arg -v told told; arg -v gate gate
    if [[ -n $late ]]; then
        (read -r <"$late"; part '"late"'; echo $? >"$told") &
    else
        echo | { part '"mine"'; } # a subshell, too, but one of this activation
        read -r <"$gate"
    fi
    answer '{"n":'$(arg n)'}'
}
""",
}


@pytest.mark.parametrize("name", sorted(LATE))
def test_a_part_after_the_answer_is_nobodys(name, folder, proxy):
    """What a function leaves running may not send parts to the next caller."""
    row = language(name)
    late, told, gate = folder / "late", folder / "told", folder / "gate"
    one = proxy(*row.options, "--workers=1", env=row.env)
    one.started(LATE[name])
    os.mkfifo(late)
    os.mkfifo(gate)
    assert stream(one, {"n": 1, "late": str(late), "told": str(told)}, LINES) == \
        (200, as_lines({"result": {"n": 1}}))
    with one.connect() as connection:
        reply = Reply(connection, "/run", {"n": 2, "gate": str(gate)}, LINES)
        assert reply.head()[0] == 200 and reply.chunk() == as_lines({"part": "mine"})
        late.write_text("open\n")
        wait_until(told.exists, "the late part to be refused")
        gate.write_text("open\n")
        assert reply.rest() == as_lines({"result": {"n": 2}})


@pytest.mark.parametrize("name", sorted(CODES))
def test_pipe_and_invoke(name, folder):
    row = language(name)
    (folder / "code").write_text(CODES[name])
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **row.env}

    def run(command, *words, stdin=""):
        done = subprocess.run([PROGRAM, command, *row.options, *words], input=stdin, env=env, cwd=folder,
                              capture_output=True, text=True, timeout=WAIT_S)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    lines = "".join(json.dumps({"value": value}) + "\n" for value in
                    ({"n": 2}, {"n": 1, "list": 1}, {"n": 0}))
    assert run("pipe", "--parts", "--workers=2", "code", stdin=lines) == \
        (0, [*PARTS[:2], {"result": {"total": 2}}, *PARTS[:1], {"result": None},
             {"result": {"total": 0}}])
    if name not in SLOW:  # each command compiles anew; what is not asked for is the same for all
        assert run("pipe", "code", stdin=lines) == (0, [{"total": 2}, [{"i": 0}], {"total": 0}])
        assert run("invoke", "code", '{"n":2}') == (0, [{"total": 2}])
        assert run("invoke", "--parts", "code", '{"n":3}') == (0, [*PARTS, {"result": {"total": 3}}])
    assert run("invoke", "--parts", "code", '{"n":3,"die":1}') == \
        (1, [*PARTS, {"error": "command exited", "kind": "died"}])
