"""An action in every language that can be run, which counts each activation that it begins.

A run's value is {"id":"…","do":"…","n":N}. Before anything else the action appends the id as a line to the file
$BEGINS; the answer is {"id":"…"}. `do` is how it ends instead (see DEATHS), or how long it takes. $ON_SIGTERM says
what it does with SIGTERM: nothing ("default"), "ignore" it, or "handle" it, which wakes one that hangs.
"""

import shutil
import subprocess

import languages
from whisk import PROGRAM, WAIT_S

# What a run may be told to die of; a language that lacks one takes the nearest that it has.
DEATHS = ("hang", "exit", "_exit", "abort", "kill", "term")

PYTHON = """
import os, signal, sys, time

FD = os.open(os.environ["BEGINS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
WOKEN = []
ON_SIGTERM = os.environ.get("ON_SIGTERM")
if ON_SIGTERM == "ignore":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif ON_SIGTERM == "handle":
    signal.signal(signal.SIGTERM, lambda *_: WOKEN.append(1))

def main(args):
    os.write(FD, (args["id"] + "\\n").encode())
    do, n = args["do"], args["n"]
    if do == "hang":
        until = time.monotonic() + n / 1000
        while time.monotonic() < until and not WOKEN:
            time.sleep(0.005)
        WOKEN.clear()
    elif do == "slow":
        time.sleep(n / 1000)
    elif do == "log":
        print("log of", args["id"])
    elif do == "exit":
        sys.exit(3)
    elif do == "_exit":
        os._exit(3)
    elif do == "abort":
        os.abort()
    elif do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    elif do == "eat":
        kept = []
        while True:
            kept.append(b"x" * (8 << 20))
    return {"id": args["id"]}
"""

# What kills all threads may take a moment to reach the one that runs: hence the rest after it.
NODEJS = """
const fs = require('fs');
const fd = fs.openSync(process.env.BEGINS, 'a');
const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let woken = 0;
if (process.env.ON_SIGTERM === 'ignore')
    process.on('SIGTERM', () => {});
else if (process.env.ON_SIGTERM === 'handle')
    process.on('SIGTERM', () => { woken++; });

async function main({ id, do: what, n }) {
    fs.writeSync(fd, id + '\\n');
    if (what === 'hang') {
        const seen = woken;
        for (const until = Date.now() + n; Date.now() < until && woken === seen;)
            await rest(5);
    } else if (what === 'slow') {
        await rest(n);
    } else if (what === 'log') {
        console.log('log of ' + id);
    } else if (what === 'exit') {
        process.exit(3);
    } else if (what === '_exit') {
        process.reallyExit(3);
    } else if (what === 'abort') {
        process.abort();
    } else if (what === 'kill' || what === 'term') {
        process.kill(process.pid, what === 'kill' ? 'SIGKILL' : 'SIGTERM');
        await rest(300);
    }
    return { id };
}
"""

C_PARTS = r"""
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t woken;
static int begins = -1;

static void on_sigterm(int signo)
{
    (void)signo;
    woken = 1;
}

static void prepare(void)
{
    const char *mode = getenv("ON_SIGTERM");

    begins = open(getenv("BEGINS"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (mode != NULL && strcmp(mode, "ignore") == 0)
        signal(SIGTERM, SIG_IGN);
    if (mode != NULL && strcmp(mode, "handle") == 0)
        signal(SIGTERM, on_sigterm);
}

static void begin(const char *id, int n_id)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "%.*s\n", n_id, id);

    if (write(begins, line, (size_t)n) != n)
        abort();
}

static void rest(long ms)
{
    struct timespec span = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&span, &span) < 0 && errno == EINTR)
        ;
}

static void obey(const char *what, long n)
{
    if (strcmp(what, "hang") == 0) {
        for (; n > 0 && !woken; n -= 5)
            rest(5);
        woken = 0;
    } else if (strcmp(what, "slow") == 0) {
        rest(n);
    } else if (strcmp(what, "log") == 0) {
        fprintf(stderr, "log of a run\n");
    } else if (strcmp(what, "exit") == 0) {
        exit(3);
    } else if (strcmp(what, "_exit") == 0) {
        _exit(3);
    } else if (strcmp(what, "abort") == 0) {
        abort();
    } else if (strcmp(what, "kill") == 0) {
        raise(SIGKILL);
    } else if (strcmp(what, "term") == 0) {
        raise(SIGTERM);
    }
}
"""

C_SDK = "#include <whisk_action.h>\n" + C_PARTS + r"""
int whisk_main(struct whisk *w)
{
    const char *id = whisk_get_text(w, "id", "");

    if (begins < 0)
        prepare();
    begin(id, (int)strlen(id));
    obey(whisk_get_text(w, "do", ""), (long)whisk_get_int(w, "n", 0));
    return whisk_add_text(w, "id", id);
}
"""

# README's loop: reads lines, answers lines, announces nothing.
C_LOOP = C_PARTS + r"""
static const char *member(const char *line, const char *name, int *n)
{
    const char *at = strstr(line, name);

    if (at == NULL)
        exit(2);
    at += strlen(name);
    *n = (int)strcspn(at, "\"");
    return at;
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    prepare();
    while (getline(&line, &size, stdin) > 0) {
        int n_id, n_what, n_none;
        const char *id = member(line, "\"id\":\"", &n_id);
        const char *what = member(line, "\"do\":\"", &n_what);
        long n = atol(member(line, "\"n\":", &n_none));
        char told[16];

        begin(id, n_id);
        snprintf(told, sizeof(told), "%.*s", n_what, what);
        obey(told, n);
        printf("{\"id\":\"%.*s\"}\n", n_id, id);
        fflush(stdout);
    }
    free(line);
    return 0;
}
"""

PERL = r"""
use strict;
use warnings;
use POSIX ();
use Time::HiRes ();

open(my $begins, '>>', $ENV{BEGINS}) or die "BEGINS: $!";
my $woken = 0;
my $mode = $ENV{ON_SIGTERM} // '';
$SIG{TERM} = 'IGNORE' if $mode eq 'ignore';
$SIG{TERM} = sub { $woken = 1 } if $mode eq 'handle';

sub main {
    my ($args) = @_;
    my ($id, $do, $n) = @$args{qw(id do n)};
    syswrite($begins, "$id\n");
    if ($do eq 'hang') {
        my $until = Time::HiRes::time() + $n / 1000;
        Time::HiRes::sleep(0.005) while Time::HiRes::time() < $until && !$woken;
        $woken = 0;
    }
    Time::HiRes::sleep($n / 1000) if $do eq 'slow';
    print "log of $id\n" if $do eq 'log';
    exit(3) if $do eq 'exit';
    POSIX::_exit(3) if $do eq '_exit';
    POSIX::abort() if $do eq 'abort';
    kill('KILL', $$) if $do eq 'kill';
    kill('TERM', $$) if $do eq 'term';
    return { id => $id };
}

1;
"""

RUBY = r"""
BEGINS = File.open(ENV['BEGINS'], File::WRONLY | File::APPEND | File::CREAT)
$woken = false
trap('TERM', 'IGNORE') if ENV['ON_SIGTERM'] == 'ignore'
trap('TERM') { $woken = true } if ENV['ON_SIGTERM'] == 'handle'

def main(args)
  id, n = args['id'], args['n']
  BEGINS.syswrite("#{id}\n")
  case args['do']
  when 'hang'
    ends = Process.clock_gettime(Process::CLOCK_MONOTONIC) + n / 1000.0
    sleep(0.005) until $woken || Process.clock_gettime(Process::CLOCK_MONOTONIC) > ends
    $woken = false
  when 'slow' then sleep(n / 1000.0)
  when 'log' then puts "log of #{id}"
  when 'exit' then exit(3)
  when '_exit' then exit!(3)
  when 'abort' then Process.kill('ABRT', $$) && sleep(0.02)
  when 'kill' then Process.kill('KILL', $$) && sleep(0.02)
  when 'term' then Process.kill('TERM', $$) && sleep(0.02)
  end
  { id: id }
end
"""

PHP = r"""<?php
$begins = fopen(getenv('BEGINS'), 'a');
stream_set_write_buffer($begins, 0);
$woken = false;
if (function_exists('pcntl_signal')) {
    pcntl_async_signals(true);
    if (getenv('ON_SIGTERM') === 'ignore')
        pcntl_signal(SIGTERM, SIG_IGN);
    if (getenv('ON_SIGTERM') === 'handle')
        pcntl_signal(SIGTERM, function () { $GLOBALS['woken'] = true; });
}

function main(array $args): array
{
    ['id' => $id, 'do' => $do, 'n' => $n] = $args;
    fwrite($GLOBALS['begins'], "$id\n");
    if ($do === 'hang') {
        for ($until = microtime(true) + $n / 1000; microtime(true) < $until && !$GLOBALS['woken'];)
            usleep(5000);
        $GLOBALS['woken'] = false;
    } elseif ($do === 'slow') {
        usleep($n * 1000);
    } elseif ($do === 'log') {
        echo "log of $id\n";
    } elseif ($do === 'exit') {
        exit(3);
    } elseif ($do === '_exit' || $do === 'kill') {
        posix_kill(getmypid(), SIGKILL);
    } elseif ($do === 'abort') {
        posix_kill(getmypid(), SIGABRT);
    } elseif ($do === 'term') {
        posix_kill(getmypid(), SIGTERM);
    }
    return ['id' => $id];
}
"""

# Lua knows no signals: it kills itself by a shell, and what it does on SIGTERM is the default.
LUA = r"""
local begins = assert(io.open(os.getenv("BEGINS"), "a"))

local function kill(signal)
  local stat = assert(io.open("/proc/self/stat"))
  local pid = stat:read("n")
  stat:close()
  os.execute("kill -" .. signal .. " " .. pid .. "; sleep 0.02")
end

function main(args)
  local id, what = args.id, args["do"]
  begins:write(id .. "\n")
  begins:flush()
  if what == "hang" or what == "slow" then
    os.execute("sleep " .. args.n / 1000)
  elseif what == "log" then
    print("log of " .. id)
  elseif what == "exit" then
    os.exit(3, true)
  elseif what == "_exit" then
    os.exit(3)
  elseif what == "abort" then
    kill("ABRT")
  elseif what == "kill" then
    kill("KILL")
  elseif what == "term" then
    kill("TERM")
  end
  return { id = id }
end
"""

SHELL = r"""
woken=
case $ON_SIGTERM in
ignore) trap '' TERM ;;
handle) trap 'woken=yes' TERM ;;
esac

main() {
    local id what n

    id=$(arg id)
    echo "$id" >>"$BEGINS"
    what=$(arg do) n=$(arg n)
    case $what in
    hang)
        for ((n = n / 10; n > 0; n--)); do
            [[ -z $woken ]] || break
            sleep 0.01
        done
        woken=
        ;;
    slow) sleep "0.0$n" ;;
    log) echo "log of $id" ;;
    exit) exit 3 ;;
    _exit | kill) kill -KILL $$ ;;
    abort) kill -ABRT $$ ;;
    term) kill -TERM $$ ;;
    esac
    answer "{\"id\":\"$id\"}"
}
"""

GO = r"""
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

var begins *os.File
var woken = make(chan os.Signal, 1)

func init() {
	begins, _ = os.OpenFile(os.Getenv("BEGINS"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0666)
	switch os.Getenv("ON_SIGTERM") {
	case "ignore":
		signal.Ignore(syscall.SIGTERM)
	case "handle":
		signal.Notify(woken, syscall.SIGTERM)
	}
}

func kill(signo syscall.Signal) {
	syscall.Kill(os.Getpid(), signo)
	time.Sleep(300 * time.Millisecond)
}

func Main(args map[string]interface{}) map[string]interface{} {
	id := args["id"].(string)
	span := time.Duration(args["n"].(float64)) * time.Millisecond
	begins.WriteString(id + "\n")
	switch args["do"] {
	case "hang":
		select {
		case <-woken:
		case <-time.After(span):
		}
	case "slow":
		time.Sleep(span)
	case "log":
		fmt.Println("log of", id)
	case "exit":
		os.Exit(3)
	case "_exit":
		go func() { panic("in another goroutine") }()
		time.Sleep(300 * time.Millisecond)
	case "abort":
		kill(syscall.SIGABRT)
	case "kill":
		kill(syscall.SIGKILL)
	case "term":
		kill(syscall.SIGTERM)
	}
	return map[string]interface{}{"id": id}
}
"""

JAVA = r"""
import com.google.gson.JsonObject;
import java.io.FileOutputStream;
import sun.misc.Signal;

public class Main {
    static final FileOutputStream BEGINS;
    static volatile boolean woken;

    static {
        String mode = System.getenv("ON_SIGTERM");
        try {
            BEGINS = new FileOutputStream(System.getenv("BEGINS"), true);
        } catch (Exception fault) {
            throw new RuntimeException(fault);
        }
        if ("ignore".equals(mode))
            Signal.handle(new Signal("TERM"), signal -> { });
        if ("handle".equals(mode))
            Signal.handle(new Signal("TERM"), signal -> { woken = true; });
    }

    static void kill(String signal) throws Exception {
        new ProcessBuilder("kill", "-" + signal, "" + ProcessHandle.current().pid()).start().waitFor();
        Thread.sleep(300);
    }

    public static JsonObject main(JsonObject args) throws Exception {
        String id = args.get("id").getAsString();
        int n = args.get("n").getAsInt();
        JsonObject answer = new JsonObject();

        BEGINS.write((id + "\n").getBytes());
        switch (args.get("do").getAsString()) {
        case "hang":
            for (long until = System.nanoTime() + n * 1000000L; System.nanoTime() < until && !woken;)
                Thread.sleep(5);
            woken = false;
            break;
        case "slow": Thread.sleep(n); break;
        case "log": System.out.println("log of " + id); break;
        case "exit": System.exit(3); break;
        case "_exit": Runtime.getRuntime().halt(3); break;
        case "abort": kill("ABRT"); break;
        case "kill": kill("KILL"); break;
        case "term": kill("TERM"); break;
        }
        answer.addProperty("id", id);
        return answer;
    }
}
"""

DOTNET = r"""
using System;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading;

public static class Counted
{
    // Not FileMode.Append: it remembers where the file ended, so two processes overwrite each other.
    static readonly int begins = Open(Environment.GetEnvironmentVariable("BEGINS"), 0x401 /* O_WRONLY | O_APPEND */);
    static volatile bool woken;
    static readonly string mode = Environment.GetEnvironmentVariable("ON_SIGTERM");
    static readonly IDisposable registration = mode != "ignore" && mode != "handle" ? null :
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => {
            context.Cancel = true;
            woken = mode == "handle";
        });

    [DllImport("libc", EntryPoint = "kill")] static extern int Kill(int pid, int signo);
    [DllImport("libc", EntryPoint = "open")] static extern int Open(string path, int flags);
    [DllImport("libc", EntryPoint = "write")] static extern nint Write(int fd, byte[] bytes, nint n);

    static void Die(int signo)
    {
        Kill(Environment.ProcessId, signo);
        Thread.Sleep(300);
    }

    public static JsonObject Main(JsonObject args)
    {
        string id = args["id"].GetValue<string>();
        int n = args["n"].GetValue<int>();

        byte[] line = Encoding.UTF8.GetBytes(id + "\n");
        Write(begins, line, line.Length);
        switch (args["do"].GetValue<string>()) {
        case "hang":
            for (long until = Environment.TickCount64 + n; Environment.TickCount64 < until && !woken;)
                Thread.Sleep(5);
            woken = false;
            break;
        case "slow": Thread.Sleep(n); break;
        case "log": Console.WriteLine("log of " + id); break;
        case "exit": Environment.Exit(3); break;
        case "_exit": Environment.FailFast("told to"); break;
        case "abort": Die(6); break;
        case "kill": Die(9); break;
        case "term": Die(15); break;
        }
        return new JsonObject { ["id"] = id };
    }
}
"""

# A program for each activation.
ONESHOT = r"""#!/bin/bash
[[ $1 =~ \"id\":\ *\"([^\"]*)\".*\"do\":\ *\"([^\"]*)\".*\"n\":\ *([0-9]+) ]] || exit 2
id=${BASH_REMATCH[1]} what=${BASH_REMATCH[2]} n=${BASH_REMATCH[3]}
echo "$id" >>"$BEGINS"
[[ $ON_SIGTERM == default ]] || trap '' TERM
case $what in
hang) for ((n = n / 10; n > 0; n--)); do sleep 0.01; done ;;
slow) sleep "0.0$n" ;;
log) echo "log of $id" ;;
kill | _exit) kill -KILL $$ ;;
abort) kill -ABRT $$ ;;
term) kill -TERM $$ ;;
exit) exit 3 ;;
esac
echo "{\"id\":\"$id\"}"
"""


class Counted:
    """One action behind the proxy."""

    def __init__(self, name, options, code, *, main=False, program=None, env=None, costs=1, own_costs=0, ways=(),
                 slow=False, exit_answer=None):
        self.name, self.options, self.code = name, tuple(map(str, options)), code
        self.main = main            # one of those that the long run asks a million of
        self.program = program      # a C program, compiled here
        self.env = env or {}
        self.costs = costs          # innocents that had begun and that a kill from outside may fail
        self.own_costs = own_costs  # the same for a death that a run brings about itself
        self.ways = ways            # more options, of which some rounds have one
        self.slow = slow            # a quick run leaves it out
        self.exit_answer = exit_answer  # what the launcher answers for an activation that ends the process by exit

    def missing(self, has_pipeline):
        """Why it cannot run here, None when it can."""
        if "--pipeline" in self.options and not has_pipeline:
            return "the program has no --pipeline"
        row = next((row for row in languages.ROWS if row.name == self.name), None)
        if row is not None:
            return row.missing()
        return None if shutil.which("cc") else "no C compiler"


def has_pipeline():
    """Whether the program under test has the option --pipeline."""
    text = subprocess.run([PROGRAM, "--help-markdown"], capture_output=True, text=True, check=True,
                          timeout=WAIT_S).stdout
    return "`--pipeline`" in text


SDK_BATCH = 64   # activations that run between two writes of the C library's answers
CONCURRENT = 64  # as many as there are connections: with several at a time a death fails all that had begun
FORKED = ("--fork-workers", "1")

ALL = (
    Counted("python", ["--runtime", "python"], PYTHON, main=True, ways=(FORKED, ("--write-ahead", "1"))),
    Counted("nodejs", ["--runtime", "nodejs"], NODEJS, main=True),
    Counted("nodejs at a time", ["--runtime", "nodejs"], NODEJS, main=True, costs=CONCURRENT, own_costs=CONCURRENT,
            env={"__OW_ALLOW_CONCURRENT": "true"}),
    Counted("c", ["--runtime", "c"], C_SDK, main=True, costs=SDK_BATCH, own_costs=SDK_BATCH),
    Counted("C loop", ["--runtime", "native"], None, main=True, program=C_LOOP),
    Counted("C loop, --pipeline", ["--runtime", "native", "--pipeline", 64], None, main=True, program=C_LOOP),
    Counted("perl", ["--runtime", "perl"], PERL),
    Counted("ruby", ["--runtime", "ruby"], RUBY),
    Counted("php", ["--runtime", "php"], PHP),
    Counted("lua", ["--runtime", "lua"], LUA),
    Counted("shell", ["--runtime", "shell"], SHELL, slow=True),
    Counted("pypy", ["--runtime", "pypy"], PYTHON),
    Counted("go", ["--runtime", "go"], GO),
    Counted("java", ["--runtime", "java"], JAVA, slow=True,
            exit_answer=b'{"error":"the action called System.exit"}'),
    Counted("dotnet", ["--runtime", "dotnet"], DOTNET, slow=True),
    Counted("oneshot", ["--runtime", "oneshot"], ONESHOT, slow=True),
)
