"""One row per language: what test_languages.py asks of each, in that language's own words.

A new language gets the whole suite by a row here: its runtime, the program that its manifest
starts, and a few lines of code for each name in CODES.
"""

import os
import shutil
import unittest

# The codes that a row has, and what each does. Function `main` takes the argument and returns the
# result, unless something else stands here.
CODES = {
    "echo": "returns its argument",
    "niam": "the same, in a function called niam; there is no main",
    "noisy": "prints 'hello stdout' and 'hello stderr', and returns its argument",
    "unfinished": "prints 'no newline' without one, and returns its argument",
    "unicode": "prints '{delimiter} ☃ {delimiter}', and returns it as `winter`",
    "at_load": "prints 'loaded', and returns SOME_VAR and ANOTHER_VAR as they were at load",
    "variable": "returns the environment variable `name` as `value`; '' or null when there is none",
    "error": "returns {error: 'sorry'}",
    "throws": "fails with the text 'nooooo'",
    "text": "returns 'no dictionary'",
    "array": "returns ['a', 'b']",
    "exits": "ends the process with 3 if `exit` is there, else returns its argument",
    "orphan": "the same, and leaves a program behind that runs on",
    "counts": "returns as `n` how often it was called",
    "child": "starts a program that prints 'from a child', and returns its argument",
    "stdin": "returns as `read` what it reads from standard input",
    "broken": "does not compile",
    "fails_at_load": "fails with the text 'nooooo' while it loads",
    "other": "has a function called other and no main",
    "deep": "calls itself `levels` times, each within the one before, and returns that as `depth`",
}


class Language:
    """One row. files: of an archive whose code says {greeting: 'Hello, NAME!'} by a second file.
    unbuilt: the codes that a compiler refuses, so that nothing is started. source: where its
    program comes from. untried: why nobody has seen it pass, to be taken out by whoever has."""

    def __init__(self, name, program, codes, files, lacks=None, env=None, unbuilt=(),
                 also=(), source="scripts/setup.sh --tests", untried=None, failed=200, options=()):
        self.name = name
        self.program = program
        self.options = ("--runtime", name, *options)
        self.codes = codes
        self.files = files
        self.lacks = lacks or {}  # case -> why this language cannot pass it
        self.env = env or {}  # what an image of this language sets
        self.unbuilt = unbuilt
        self.also = also  # files that must be there, too
        self.source = source
        self.untried = untried
        self.failed = failed  # status of an activation whose function throws, as Apache's suite has it

    def missing(self):
        """Why this row cannot be tested here, None when it can."""
        if shutil.which(self.program, path="/usr/local/bin:/usr/bin:/bin") is None:
            return f"{self.program} is not installed ({self.source})"
        for path in self.also:
            if not os.path.exists(path):
                return f"there is no {path} ({self.source})"
        return None


PYTHON = {
    "echo": "def main(args):\n    return args\n",
    "niam": "def niam(args):\n    return args\n",
    "noisy": "import sys\ndef main(args):\n    print('hello stdout')\n"
             "    print('hello stderr', file=sys.stderr)\n    return args\n",
    "unfinished": "def main(args):\n    print('no newline', end='')\n    return args\n",
    "unicode": "def main(args):\n    text = args['delimiter'] + ' ☃ ' + args['delimiter']\n"
               "    print(text)\n    return {'winter': text}\n",
    "at_load": "import os\nprint('loaded')\n"
               "SEEN = {n: os.environ.get(n) for n in ('SOME_VAR', 'ANOTHER_VAR')}\n"
               "def main(args):\n    return SEEN\n",
    "variable": "import os\ndef main(args):\n    return {'value': os.environ.get(args['name'])}\n",
    "error": "def main(args):\n    return {'error': 'sorry'}\n",
    "throws": "def main(args):\n    raise ValueError('nooooo')\n",
    "text": "def main(args):\n    return 'no dictionary'\n",
    "array": "def main(args):\n    return ['a', 'b']\n",
    "exits": "import sys\ndef main(args):\n    if 'exit' in args:\n        sys.exit(3)\n"
             "    return args\n",
    "orphan": "import os, subprocess\ndef main(args):\n    if 'exit' in args:\n"
              "        subprocess.Popen(['sleep', '1000'])\n        os._exit(3)\n    return args\n",
    "counts": "N = 0\ndef main(args):\n    global N\n    N += 1\n    return {'n': N}\n",
    "child": "import subprocess\ndef main(args):\n"
             "    subprocess.run(['/bin/echo', 'from a child'], check=True)\n    return args\n",
    "stdin": "import sys\ndef main(args):\n    return {'read': sys.stdin.read()}\n",
    "broken": "def main(args)\n    return args\n",
    "fails_at_load": "raise ValueError('nooooo')\n",
    "other": "def other(args):\n    return args\n",
    "deep": "def down(n):\n    return 0 if n == 0 else 1 + down(n - 1)\n"
            "def main(args):\n    return {'depth': down(args['levels'])}\n",
}
PYTHON_FILES = {
    "__main__.py": "from words import greet\ndef main(args):\n    return greet(args['name'])\n",
    "words.py": "def greet(name):\n    return {'greeting': 'Hello, ' + name + '!'}\n",
}

NODEJS = {
    "echo": "function main(args) { return args; }\n",
    "niam": "function niam(args) { return args; }\n",
    "noisy": "function main(args) {\n    console.log('hello stdout');\n"
             "    console.error('hello stderr');\n    return args;\n}\n",
    "unfinished": "function main(args) { process.stdout.write('no newline'); return args; }\n",
    "unicode": "function main(args) {\n    const text = args.delimiter + ' ☃ ' + args.delimiter;\n"
               "    console.log(text);\n    return { winter: text };\n}\n",
    "at_load": "console.log('loaded');\n"
               "const { SOME_VAR, ANOTHER_VAR } = process.env;\n"
               "function main() { return { SOME_VAR, ANOTHER_VAR }; }\n",
    "variable": "function main(args) { return { value: process.env[args.name] }; }\n",
    "error": "function main() { return { error: 'sorry' }; }\n",
    "throws": "function main() { throw new Error('nooooo'); }\n",
    "text": "function main() { return 'no dictionary'; }\n",
    "array": "function main() { return ['a', 'b']; }\n",
    "exits": "function main(args) { if (args.exit) process.exit(3); return args; }\n",
    "orphan": "function main(args) {\n    if (args.exit) {\n        require('child_process')"
              ".spawn('sleep', ['1000']);\n        process.exit(3);\n    }\n    return args;\n}\n",
    "counts": "let n = 0;\nfunction main() { n++; return { n }; }\n",
    "child": "function main(args) {\n    require('child_process').spawnSync('/bin/echo', "
             "['from a child'], { stdio: 'inherit' });\n    return args;\n}\n",
    "stdin": "function main() {\n"
             "    return { read: require('fs').readFileSync('/dev/stdin', 'utf8') };\n}\n",
    "broken": "function main(args { return args; }\n",
    "fails_at_load": "throw new Error('nooooo');\n",
    "other": "function other(args) { return args; }\n",
    "deep": "function down(n) { return n === 0 ? 0 : 1 + down(n - 1); }\n"
            "function main(args) { return { depth: down(args.levels) }; }\n",
}
NODEJS_FILES = {
    "index.js": "const { greet } = require('./words');\n"
                "exports.main = (args) => greet(args.name);\n",
    "words.js": "exports.greet = (name) => ({ greeting: `Hello, ${name}!` });\n",
}

SHELL = {
    "echo": 'main() { answer "$1"; }\n',
    "niam": 'niam() { answer "$1"; }\n',
    "noisy": 'main() {\n    echo "hello stdout"\n    echo "hello stderr" >&2\n    answer "$1"\n}\n',
    "unfinished": 'main() { printf "no newline"; answer "$1"; }\n',
    "unicode": 'main() {\n    local mark text\n    mark=$(arg delimiter)\n    text="$mark ☃ $mark"\n'
               '    echo "$text"\n    answer "{\\"winter\\":$(quote "$text")}"\n}\n',
    "at_load": 'echo loaded\nsome=$SOME_VAR another=${ANOTHER_VAR-missing}\n'
               'main() { answer "{\\"SOME_VAR\\":\\"$some\\",\\"ANOTHER_VAR\\":\\"$another\\"}"; }\n',
    "variable": 'main() {\n    local name\n    name=$(arg name)\n'
                '    answer "{\\"value\\":$(quote "${!name}")}"\n}\n',
    "error": "main() { answer '{\"error\":\"sorry\"}'; }\n",
    "throws": "main() { answer '{}'; fail nooooo; }\n",
    "text": "main() { answer '\"no dictionary\"'; }\n",
    "array": "main() { answer '[\"a\", \"b\"]'; }\n",
    "exits": 'main() { [[ -z $(arg exit) ]] || exit 3; answer "$1"; }\n',
    "orphan": 'main() {\n    if [[ -n $(arg exit) ]]; then sleep 1000 & exit 3; fi\n'
              '    answer "$1"\n}\n',
    "counts": 'n=0\nmain() { n=$((n + 1)); answer "{\\"n\\":$n}"; }\n',
    "child": 'main() { /bin/echo "from a child"; answer "$1"; }\n',
    "stdin": 'main() { answer "{\\"read\\":$(quote "$(cat)")}"; }\n',
    "broken": "main() { if; }\n",
    "fails_at_load": "echo nooooo >&2\nexit 1\n",
    "other": 'other() { answer "$1"; }\n',
    "deep": "down() { depth=$1; (($1 == 0)) || down $(($1 - 1)); depth=$1; }\n"
            'main() { down "$(arg levels)"; answer "{\\"depth\\":$depth}"; }\n',
}
SHELL_FILES = {
    "main.sh": '. ./words.sh\nmain() { greet "$(arg name)"; }\n',
    "words.sh": 'greet() { answer "{\\"greeting\\":$(quote "Hello, $1!")}"; }\n',
}

PERL = {
    "echo": "sub main { return $_[0] }\n1;\n",
    "niam": "sub niam { return $_[0] }\n1;\n",
    "noisy": 'sub main {\n    print "hello stdout\\n";\n    print STDERR "hello stderr\\n";\n'
             "    return $_[0];\n}\n1;\n",
    "unfinished": 'sub main { print "no newline"; return $_[0] }\n1;\n',
    "unicode": 'use utf8;\nsub main {\n    my $text = "$_[0]{delimiter} ☃ $_[0]{delimiter}";\n'
               '    print "$text\\n";\n    return { winter => $text };\n}\n1;\n',
    "at_load": 'print "loaded\\n";\nmy %seen = map { $_ => $ENV{$_} } qw(SOME_VAR ANOTHER_VAR);\n'
               "sub main { return \\%seen }\n1;\n",
    "variable": "use Encode;\nsub main {\n    my $text = $ENV{$_[0]{name}};\n"
                "    return { value => defined $text ? decode('UTF-8', $text) : undef };\n}\n1;\n",
    "error": "sub main { return { error => 'sorry' } }\n1;\n",
    "throws": "sub main { die \"nooooo\\n\" }\n1;\n",
    "text": "sub main { return 'no dictionary' }\n1;\n",
    "array": "sub main { return ['a', 'b'] }\n1;\n",
    "exits": "sub main { exit 3 if $_[0]{exit}; return $_[0] }\n1;\n",
    "orphan": "sub main {\n    if ($_[0]{exit}) { system('sleep 1000 &'); exit 3 }\n"
              "    return $_[0];\n}\n1;\n",
    "counts": "my $n = 0;\nsub main { $n++; return { n => $n } }\n1;\n",
    "child": "sub main { system('/bin/echo', 'from a child'); return $_[0] }\n1;\n",
    "stdin": "sub main { local $/; my $read = <STDIN>; return { read => $read // '' } }\n1;\n",
    "broken": "sub main { return (((; }\n",
    "fails_at_load": "die 'nooooo';\n",
    "other": "sub other { return $_[0] }\n1;\n",
    "deep": "no warnings 'recursion';\nsub down { return $_[0] == 0 ? 0 : 1 + down($_[0] - 1) }\n"
            "sub main { return { depth => down($_[0]{levels}) } }\n1;\n",
}
PERL_FILES = {
    "main.pl": "use lib '.';\nuse Words;\nsub main { return Words::greet($_[0]{name}) }\n1;\n",
    "Words.pm": 'package Words;\nsub greet { return { greeting => "Hello, $_[0]!" } }\n1;\n',
}

RUBY = {
    "echo": "def main(args)\n  args\nend\n",
    "niam": "def niam(args)\n  args\nend\n",
    "noisy": "def main(args)\n  puts 'hello stdout'\n  warn 'hello stderr'\n  args\nend\n",
    "unfinished": "def main(args)\n  print 'no newline'\n  args\nend\n",
    "unicode": "def main(args)\n  text = \"#{args['delimiter']} ☃ #{args['delimiter']}\"\n"
               "  puts text\n  { winter: text }\nend\n",
    "at_load": "puts 'loaded'\nSEEN = %w[SOME_VAR ANOTHER_VAR].to_h { |name| [name, ENV[name]] }\n"
               "def main(_args)\n  SEEN\nend\n",
    "variable": "def main(args)\n  { value: ENV[args['name']] }\nend\n",
    "error": "def main(_args)\n  { error: 'sorry' }\nend\n",
    "throws": "def main(_args)\n  raise 'nooooo'\nend\n",
    "text": "def main(_args)\n  'no dictionary'\nend\n",
    "array": "def main(_args)\n  %w[a b]\nend\n",
    "exits": "def main(args)\n  exit 3 if args['exit']\n  args\nend\n",
    "orphan": "def main(args)\n  return args unless args['exit']\n"
              "  spawn('sleep', '1000')\n  exit 3\nend\n",
    "counts": "$n = 0\ndef main(_args)\n  $n += 1\n  { n: $n }\nend\n",
    "child": "def main(args)\n  system('/bin/echo', 'from a child')\n  args\nend\n",
    "stdin": "def main(_args)\n  { read: $stdin.read }\nend\n",
    "broken": "def main(args\n  args\nend\n",
    "fails_at_load": "raise 'nooooo'\n",
    "other": "def other(args)\n  args\nend\n",
    "deep": "def down(n)\n  n.zero? ? 0 : 1 + down(n - 1)\nend\n"
            "def main(args)\n  { depth: down(args['levels']) }\nend\n",
}
RUBY_FILES = {
    "main.rb": "require_relative 'words'\ndef main(args)\n  greet(args['name'])\nend\n",
    "words.rb": "def greet(name)\n  { greeting: \"Hello, #{name}!\" }\nend\n",
}

PHP = {
    "echo": "<?php\nfunction main(array $args) { return $args; }\n",
    "niam": "<?php\nfunction niam(array $args) { return $args; }\n",
    "noisy": "<?php\nfunction main(array $args) {\n    echo \"hello stdout\\n\";\n"
             "    fwrite(STDERR, \"hello stderr\\n\");\n    return $args;\n}\n",
    "unfinished": "<?php\nfunction main(array $args) { echo 'no newline'; return $args; }\n",
    "unicode": "<?php\nfunction main(array $args) {\n"
               "    $text = \"{$args['delimiter']} ☃ {$args['delimiter']}\";\n"
               "    echo $text, \"\\n\";\n    return ['winter' => $text];\n}\n",
    "at_load": "<?php\necho \"loaded\\n\";\n$seen = ['SOME_VAR' => getenv('SOME_VAR'),\n"
               "    'ANOTHER_VAR' => getenv('ANOTHER_VAR')];\n"
               "function main(array $args) { global $seen; return $seen; }\n",
    "variable": "<?php\nfunction main(array $args) {\n"
                "    return ['value' => getenv($args['name']) ?: null];\n}\n",
    "error": "<?php\nfunction main(array $args) { return ['error' => 'sorry']; }\n",
    "throws": "<?php\nfunction main(array $args) { throw new Exception('nooooo'); }\n",
    "text": "<?php\nfunction main(array $args) { return 'no dictionary'; }\n",
    "array": "<?php\nfunction main(array $args) { return ['a', 'b']; }\n",
    "exits": "<?php\nfunction main(array $args) {\n    if (isset($args['exit'])) { exit(3); }\n"
             "    return $args;\n}\n",
    "orphan": "<?php\nfunction main(array $args) {\n    if (isset($args['exit'])) {\n"
              "        exec('sleep 1000 >/dev/null 2>&1 &');\n        exit(3);\n    }\n"
              "    return $args;\n}\n",
    "counts": "<?php\n$n = 0;\nfunction main(array $args) { global $n; return ['n' => ++$n]; }\n",
    "child": "<?php\nfunction main(array $args) { passthru('/bin/echo from a child'); "
             "return $args; }\n",
    "stdin": "<?php\nfunction main(array $args) {\n"
             "    return ['read' => file_get_contents('php://stdin')];\n}\n",
    "broken": "<?php\nfunction main(array $args) { return $args }\n",
    "fails_at_load": "<?php\nthrow new Exception('nooooo');\n",
    "other": "<?php\nfunction other(array $args) { return $args; }\n",
    "deep": "<?php\nfunction down(int $n): int { return $n === 0 ? 0 : 1 + down($n - 1); }\n"
            "function main(array $args) { return ['depth' => down($args['levels'])]; }\n",
}
PHP_FILES = {
    "index.php": "<?php\nrequire 'words.php';\n"
                 "function main(array $args) { return greet($args['name']); }\n",
    "words.php": "<?php\nfunction greet($name) { return ['greeting' => \"Hello, $name!\"]; }\n",
}

LUA = {
    "echo": "function main(args) return args end\n",
    "niam": "function niam(args) return args end\n",
    "noisy": "function main(args)\n  print('hello stdout')\n  io.stderr:write('hello stderr\\n')\n"
             "  return args\nend\n",
    "unfinished": "function main(args) io.write('no newline') return args end\n",
    "unicode": "function main(args)\n  local text = args.delimiter .. ' ☃ ' .. args.delimiter\n"
               "  print(text)\n  return { winter = text }\nend\n",
    "at_load": "print('loaded')\nlocal seen = { SOME_VAR = os.getenv('SOME_VAR'),\n"
               "  ANOTHER_VAR = os.getenv('ANOTHER_VAR') }\nfunction main() return seen end\n",
    "variable": "function main(args) return { value = os.getenv(args.name) } end\n",
    "error": "function main() return { error = 'sorry' } end\n",
    "throws": "function main() error('nooooo') end\n",
    "text": "function main() return 'no dictionary' end\n",
    "array": "function main() return { 'a', 'b' } end\n",
    "exits": "function main(args) if args.exit then os.exit(3) end return args end\n",
    "orphan": "function main(args)\n  if args.exit then os.execute('sleep 1000 &') "
              "os.exit(3) end\n  return args\nend\n",
    "counts": "local n = 0\nfunction main() n = n + 1 return { n = n } end\n",
    "child": "function main(args) os.execute('/bin/echo from a child') return args end\n",
    "stdin": "function main() return { read = io.read('a') } end\n",
    "broken": "function main(args return args end\n",
    "fails_at_load": "error('nooooo')\n",
    "other": "function other(args) return args end\n",
    "deep": "local function down(n) return n == 0 and 0 or 1 + down(n - 1) end\n"
            "function main(args) return { depth = down(args.levels) } end\n",
}
LUA_FILES = {
    "main.lua": "local words = require 'words'\n"
                "function main(args) return words.greet(args.name) end\n",
    "words.lua": "return { greet = function(name)\n"
                 "  return { greeting = 'Hello, ' .. name .. '!' } end }\n",
}

C_HEAD = "#include <stdio.h>\n#include <stdlib.h>\n#include <whisk_action.h>\n"
C_MAIN = C_HEAD + "int whisk_main(struct whisk *w)\n{\n"
C_ECHO = "    return whisk_add_value(w, NULL, whisk_argument(w));\n}\n"
C_LOAD = C_HEAD + "__attribute__((constructor)) static void load(void)\n{\n"
C = {
    "echo": C_MAIN + C_ECHO,
    "niam": C_HEAD + "int niam(struct whisk *w)\n{\n" + C_ECHO,
    "noisy": C_MAIN + '    puts("hello stdout");\n    fputs("hello stderr\\n", stderr);\n' + C_ECHO,
    "unfinished": C_MAIN + '    printf("no newline");\n' + C_ECHO,
    "unicode": C_MAIN + '    const char *mark = whisk_get_text(w, "delimiter", "");\n'
               '    printf("%s ☃ %s\\n", mark, mark);\n'
               '    return whisk_addf(w, "winter", "%s ☃ %s", mark, mark);\n}\n',
    "at_load": C_HEAD + "static char *some, *another;\n"
               "__attribute__((constructor)) static void load(void)\n{\n"
               '    puts("loaded");\n    some = getenv("SOME_VAR");\n'
               '    another = getenv("ANOTHER_VAR");\n}\n'
               'int whisk_main(struct whisk *w)\n{\n    whisk_add_text(w, "SOME_VAR", some);\n'
               '    return whisk_add_text(w, "ANOTHER_VAR", another);\n}\n',
    "variable": C_MAIN + '    return whisk_add_text(w, "value", '
                'getenv(whisk_get_text(w, "name", "")));\n}\n',
    "error": C_MAIN + '    return whisk_add_text(w, "error", "sorry");\n}\n',
    "throws": C_MAIN + '    return whisk_fail(w, "%s", "nooooo");\n}\n',
    "text": C_MAIN + '    return whisk_add_text(w, NULL, "no dictionary");\n}\n',
    "array": C_MAIN + '    whisk_begin_array(w, NULL);\n    whisk_add_text(w, NULL, "a");\n'
             '    return whisk_add_text(w, NULL, "b");\n}\n',
    "exits": C_MAIN + '    if (whisk_get_int(w, "exit", 0))\n        exit(3);\n' + C_ECHO,
    "orphan": C_MAIN + '    if (whisk_get_int(w, "exit", 0)) {\n'
              '        (void)!system("sleep 1000 &");\n        exit(3);\n    }\n' + C_ECHO,
    "counts": C_HEAD + "static int n;\nint whisk_main(struct whisk *w)\n{\n"
              '    return whisk_add_int(w, "n", ++n);\n}\n',
    "child": C_MAIN + '    (void)!system("/bin/echo from a child");\n' + C_ECHO,
    "stdin": C_MAIN + "    char text[64];\n    size_t n = fread(text, 1, sizeof(text), stdin);\n"
             '    return whisk_add_bytes(w, "read", text, n);\n}\n',
    "broken": C_MAIN + "    return (;\n}\n",
    "fails_at_load": C_LOAD + '    fputs("nooooo\\n", stderr);\n    exit(1);\n}\n'
                     "int whisk_main(struct whisk *w)\n{\n" + C_ECHO,
    "other": C_HEAD + "int other(struct whisk *w)\n{\n" + C_ECHO,
    "deep": C_HEAD + "static int down(volatile int n)\n{\n"
            "    return n == 0 ? 0 : 1 + down(n - 1);\n}\n"
            'int whisk_main(struct whisk *w)\n{\n    return whisk_add_int(w, "depth", '
            'down((int)whisk_get_int(w, "levels", 0)));\n}\n',
}
C_FILES = {
    "main.c": '#include <whisk_action.h>\n#include "words.h"\nint whisk_main(struct whisk *w)\n{\n'
              '    return greet(w, whisk_get_text(w, "name", ""));\n}\n',
    "words.c": '#include <whisk_action.h>\n#include "words.h"\n'
               'int greet(struct whisk *w, const char *name)\n{\n'
               '    return whisk_addf(w, "greeting", "Hello, %s!", name);\n}\n',
    "words.h": "struct whisk;\nint greet(struct whisk *w, const char *name);\n",
}

JAVA_HEAD = "import com.google.gson.*;\nimport java.io.*;\npublic class Main {\n"
JAVA_MAIN = JAVA_HEAD + "    public static JsonElement main(JsonElement args) throws Exception {\n"
JAVA_ECHO = "        return args;\n    }\n}\n"
JAVA_EXIT = '        if (args.getAsJsonObject().has("exit")) {\n'
JAVA_ANSWER = "        JsonObject answer = new JsonObject();\n"
JAVA_GIVE = "        return answer;\n    }\n}\n"
JAVA = {
    "echo": JAVA_MAIN + JAVA_ECHO,
    "niam": (JAVA_MAIN + JAVA_ECHO).replace("class Main", "class niam"),
    "noisy": JAVA_MAIN + '        System.out.println("hello stdout");\n'
             '        System.err.println("hello stderr");\n' + JAVA_ECHO,
    "unfinished": JAVA_MAIN + '        System.out.print("no newline");\n' + JAVA_ECHO,
    "unicode": JAVA_MAIN + '        String mark = args.getAsJsonObject().get("delimiter")'
               '.getAsString();\n        String text = mark + " ☃ " + mark;\n'
               "        System.out.println(text);\n" + JAVA_ANSWER +
               '        answer.addProperty("winter", text);\n' + JAVA_GIVE,
    "at_load": JAVA_HEAD + '    static { System.out.println("loaded"); }\n'
               '    static String some = System.getenv("SOME_VAR");\n'
               '    static String another = System.getenv("ANOTHER_VAR");\n'
               "    public static JsonObject main(JsonObject args) {\n" + JAVA_ANSWER +
               '        answer.addProperty("SOME_VAR", some);\n'
               '        answer.addProperty("ANOTHER_VAR", another);\n' + JAVA_GIVE,
    "variable": JAVA_MAIN + JAVA_ANSWER + '        answer.addProperty("value", System.getenv('
                'args.getAsJsonObject().get("name").getAsString()));\n' + JAVA_GIVE,
    "error": JAVA_MAIN + JAVA_ANSWER + '        answer.addProperty("error", "sorry");\n' + JAVA_GIVE,
    "throws": JAVA_MAIN + '        throw new IOException("nooooo");\n    }\n}\n',
    "text": JAVA_MAIN + '        return new JsonPrimitive("no dictionary");\n    }\n}\n',
    "array": JAVA_MAIN + "        JsonArray answer = new JsonArray();\n"
             '        answer.add("a");\n        answer.add("b");\n' + JAVA_GIVE,
    "exits": JAVA_MAIN + JAVA_EXIT + "            Runtime.getRuntime().halt(3);\n        }\n"
             + JAVA_ECHO,
    "orphan": JAVA_MAIN + JAVA_EXIT +
              '            new ProcessBuilder("sleep", "1000").inheritIO().start();\n'
              "            Runtime.getRuntime().halt(3);\n        }\n" + JAVA_ECHO,
    "counts": JAVA_HEAD + "    static int n;\n"
              "    public static JsonObject main(JsonObject args) {\n" + JAVA_ANSWER +
              '        answer.addProperty("n", ++n);\n' + JAVA_GIVE,
    "child": JAVA_MAIN + '        new ProcessBuilder("/bin/echo", "from a child").inheritIO()'
             ".start().waitFor();\n" + JAVA_ECHO,
    "stdin": JAVA_MAIN + JAVA_ANSWER + '        answer.addProperty("read", '
             "new String(System.in.readAllBytes()));\n" + JAVA_GIVE,
    "broken": JAVA_MAIN + "        return (;\n    }\n}\n",
    "fails_at_load": JAVA_HEAD + '    static { if (true) throw new RuntimeException("nooooo"); }\n'
                     "    public static JsonElement main(JsonElement args) {\n" + JAVA_ECHO,
    "other": JAVA_HEAD + "    public static JsonElement other(JsonElement args) {\n" + JAVA_ECHO,
    "deep": JAVA_HEAD + "    static int down(int n) { return n == 0 ? 0 : 1 + down(n - 1); }\n"
            "    public static JsonObject main(JsonObject args) {\n" + JAVA_ANSWER +
            '        answer.addProperty("depth", down(args.get("levels").getAsInt()));\n'
            + JAVA_GIVE,
}
JAVA_FILES = {
    "Main.java": "import com.google.gson.JsonObject;\nimport words.Words;\npublic class Main {\n"
                 "    public static JsonObject main(JsonObject args) {\n"
                 '        return Words.greet(args.get("name").getAsString());\n    }\n}\n',
    "words/Words.java": "package words;\nimport com.google.gson.JsonObject;\n"
                        "public class Words {\n"
                        "    public static JsonObject greet(String name) {\n" + JAVA_ANSWER +
                        '        answer.addProperty("greeting", "Hello, " + name + "!");\n'
                        + JAVA_GIVE,
}

def go(body, imports=(), before="", name="Main"):
    """Source whose function has `body`, and `event` for the argument's JSON."""
    packages = "".join(f'import "{package}"\n' for package in ("encoding/json", *imports))
    return (f"package main\n{packages}{before}"
            f"func {name}(event json.RawMessage) (json.RawMessage, error) {{\n{body}\n}}\n")


GO_ARGS = "    var args map[string]interface{}\n    json.Unmarshal(event, &args)\n"
GO_ECHO = "    return event, nil"
GO = {
    "echo": go(GO_ECHO),
    "niam": go(GO_ECHO, name="Niam"),
    "noisy": go('    fmt.Println("hello stdout")\n    fmt.Fprintln(os.Stderr, "hello stderr")\n'
                + GO_ECHO, ["fmt", "os"]),
    "unfinished": go('    fmt.Print("no newline")\n' + GO_ECHO, ["fmt"]),
    "unicode": "package main\nimport \"fmt\"\n"
               "func Main(args map[string]interface{}) map[string]interface{} {\n"
               '    text := fmt.Sprint(args["delimiter"], " ☃ ", args["delimiter"])\n'
               "    fmt.Println(text)\n"
               '    return map[string]interface{}{"winter": text}\n}\n',
    "at_load": "package main\nimport (\"fmt\"; \"os\")\n"
               'var some, another = os.Getenv("SOME_VAR"), os.Getenv("ANOTHER_VAR")\n'
               'func init() { fmt.Println("loaded") }\n'
               "func Main(args map[string]interface{}) map[string]interface{} {\n"
               '    return map[string]interface{}{"SOME_VAR": some, "ANOTHER_VAR": another}\n}\n',
    "variable": "package main\nimport \"os\"\n"
                "func Main(args map[string]interface{}) map[string]string {\n"
                '    return map[string]string{"value": os.Getenv(args["name"].(string))}\n}\n',
    "error": go('    return json.RawMessage(`{"error": "sorry"}`), nil'),
    "throws": go('    panic("nooooo")'),
    "text": go('    return json.RawMessage(`"no dictionary"`), nil'),
    "array": go('    return json.RawMessage(`["a", "b"]`), nil'),
    "exits": go(GO_ARGS + '    if args["exit"] != nil { os.Exit(3) }\n' + GO_ECHO, ["os"]),
    "orphan": go(GO_ARGS + '    if args["exit"] != nil {\n'
                 '        exec.Command("sleep", "1000").Start()\n        os.Exit(3)\n    }\n'
                 + GO_ECHO, ["os", "os/exec"]),
    "counts": "package main\nvar n int\nfunc Main(args map[string]interface{}) map[string]int {\n"
              '    n++\n    return map[string]int{"n": n}\n}\n',
    "child": go('    command := exec.Command("/bin/echo", "from a child")\n'
                "    command.Stdout = os.Stdout\n    command.Run()\n" + GO_ECHO,
                ["os", "os/exec"]),
    "stdin": go("    read, _ := io.ReadAll(os.Stdin)\n"
                '    return json.Marshal(map[string]string{"read": string(read)})', ["io", "os"]),
    "broken": go("    return (;"),
    "fails_at_load": go(GO_ECHO, before='func init() { panic("nooooo") }\n'),
    "other": go(GO_ECHO, name="Other"),
    "deep": "package main\nfunc down(n int) int {\n    if n == 0 { return 0 }\n"
            "    return 1 + down(n - 1)\n}\n"
            "func Main(args map[string]interface{}) map[string]int {\n"
            '    return map[string]int{"depth": down(int(args["levels"].(float64)))}\n}\n',
}
GO_FILES = {
    "main.go": 'package main\nimport "exec/words"\n'
               "func Main(args map[string]interface{}) map[string]interface{} {\n"
               '    return words.Greet(args["name"].(string))\n}\n',
    "words/words.go": "package words\nfunc Greet(name string) map[string]interface{} {\n"
                      '    return map[string]interface{}{"greeting": "Hello, " + name + "!"}\n}\n',
}

DOTNET_HEAD = ("using System;\nusing System.Diagnostics;\nusing System.Text.Json;\n"
               "public class Program {\n")
DOTNET_MAIN = DOTNET_HEAD + "    public static object Main(JsonElement args) {\n"
DOTNET_ECHO = "        return args;\n    }\n}\n"
DOTNET_EXIT = '        if (args.TryGetProperty("exit", out _)) {\n'
DOTNET = {
    "echo": DOTNET_MAIN + DOTNET_ECHO,
    "niam": (DOTNET_MAIN + DOTNET_ECHO).replace("class Program", "class niam"),
    "noisy": DOTNET_MAIN + '        Console.WriteLine("hello stdout");\n'
             '        Console.Error.WriteLine("hello stderr");\n' + DOTNET_ECHO,
    "unfinished": DOTNET_MAIN + '        Console.Write("no newline");\n' + DOTNET_ECHO,
    "unicode": DOTNET_MAIN + '        string mark = args.GetProperty("delimiter").GetString();\n'
               '        string winter = mark + " ☃ " + mark;\n'
               "        Console.WriteLine(winter);\n        return new { winter };\n    }\n}\n",
    "at_load": DOTNET_HEAD +
               '    static string some = Environment.GetEnvironmentVariable("SOME_VAR");\n'
               '    static string another = Environment.GetEnvironmentVariable("ANOTHER_VAR");\n'
               '    static Program() { Console.WriteLine("loaded"); }\n'
               "    public static object Main(JsonElement args) {\n"
               "        return new { SOME_VAR = some, ANOTHER_VAR = another };\n    }\n}\n",
    "variable": DOTNET_MAIN + "        return new { value = Environment.GetEnvironmentVariable("
                'args.GetProperty("name").GetString()) };\n    }\n}\n',
    "error": DOTNET_MAIN + '        return new { error = "sorry" };\n    }\n}\n',
    "throws": DOTNET_MAIN + '        throw new Exception("nooooo");\n    }\n}\n',
    "text": DOTNET_MAIN + '        return "no dictionary";\n    }\n}\n',
    "array": DOTNET_MAIN + '        return new[] { "a", "b" };\n    }\n}\n',
    "exits": DOTNET_MAIN + DOTNET_EXIT + "            Environment.Exit(3);\n        }\n"
             + DOTNET_ECHO,
    "orphan": DOTNET_MAIN + DOTNET_EXIT + '            Process.Start("sleep", "1000");\n'
              "            Environment.Exit(3);\n        }\n" + DOTNET_ECHO,
    "counts": DOTNET_HEAD + "    static int n;\n    public static object Main(JsonElement args) {\n"
              "        return new { n = ++n };\n    }\n}\n",
    "child": DOTNET_MAIN + '        Process.Start("/bin/echo", "from a child").WaitForExit();\n'
             + DOTNET_ECHO,
    "stdin": DOTNET_MAIN + "        return new { read = Console.In.ReadToEnd() };\n    }\n}\n",
    "broken": DOTNET_MAIN + "        return (;\n    }\n}\n",
    "fails_at_load": DOTNET_HEAD + '    static Program() { throw new Exception("nooooo"); }\n'
                     "    public static object Main(JsonElement args) {\n" + DOTNET_ECHO,
    "other": DOTNET_HEAD + "    public static object Other(JsonElement args) {\n" + DOTNET_ECHO,
    "deep": DOTNET_HEAD + "    static int Down(int n) => n == 0 ? 0 : 1 + Down(n - 1);\n"
            "    public static object Main(JsonElement args) {\n"
            '        return new { depth = Down(args.GetProperty("levels").GetInt32()) };\n'
            "    }\n}\n",
}
DOTNET_FILES = {
    "Main.cs": "using System.Text.Json.Nodes;\npublic class Program {\n"
               "    public static JsonObject Main(JsonObject args) {\n"
               '        return Words.Greet((string)args["name"]);\n    }\n}\n',
    "words/Words.cs": "using System.Text.Json.Nodes;\nstatic class Words {\n"
                      "    internal static JsonObject Greet(string name) {\n"
                      '        return new JsonObject { ["greeting"] = $"Hello, {name}!" };\n'
                      "    }\n}\n",
}

ONE_ARRAY = "the language has one type for lists and objects"
ONLY_NAMED = "its archives are Python's: used only when --runtime names it"


UTF8 = {"LANG": "C.UTF-8"}  # what these know of their environment's encoding

ROWS = [
    Language("python", "python3", PYTHON, PYTHON_FILES),
    Language("pypy", "pypy3", PYTHON, PYTHON_FILES, {"guessed": ONLY_NAMED}, UTF8),
    Language("nodejs", "node", NODEJS, NODEJS_FILES, failed=502),
    Language("c", "gcc", C, C_FILES, unbuilt=("broken",)),
    Language("go", "go", GO, GO_FILES, unbuilt=("broken", "other")),
    Language("java", "javac", JAVA, JAVA_FILES, unbuilt=("broken", "other"),
             also=("/usr/share/java/gson.jar",)),
    Language("dotnet", "dotnet", DOTNET, DOTNET_FILES, unbuilt=("broken",), failed=502,
             source="Debian has no package; Microsoft's is dotnet-sdk-8.0"),
    # It has no ready line, and waits for programs while it loads. On a busy machine that may take
    # longer than the default of 100 ms.
    Language("shell", "bash", SHELL, SHELL_FILES, options=("--settle-time", "10000")),
    Language("perl", "perl", PERL, PERL_FILES),
    Language("ruby", "ruby", RUBY, RUBY_FILES, env=UTF8),
    Language("php", "php", PHP, PHP_FILES, {"empty": ONE_ARRAY}, failed=502),
    Language("lua", "lua5.4", LUA, LUA_FILES, {"empty": ONE_ARRAY}),
]


def language(name):
    """The row of this name. Skips the test where the language cannot be tested."""
    row = next(row for row in ROWS if row.name == name)
    if row.missing() is not None:
        raise unittest.SkipTest(row.missing())  # tests/fault reads this file without pytest
    return row
