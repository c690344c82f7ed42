"""What an action does by accident to the launcher that it shares a process with: its next activation is
answered all the same, by the same process, and its log holds nothing of ours.

A row has the code, whose argument says what to do as `op`, and for each `op` what is answered. Each
is followed by an activation that does nothing of the kind.
"""

import pytest

from languages import language

LEFT = {"error": "the function was left by next, last or redo, which stood in no loop"}
ECHO = object()  # the answer is {"id": …} as of any other activation

PERL = r"""
use POSIX ();
package Untold; use overload '""' => sub { die "inner" };
package main;
my $calls = 0;
sub main {
    my ($args) = @_;
    my $op = $args->{op} // '';
    no warnings;
    $calls++ < 100 or die;
    if ($op eq 'next') { next }
    if ($op eq 'last') { last }
    if ($op eq 'redo') { redo }
    if ($op eq 'untold') { die bless {}, 'Untold' }
    if ($op eq 'number') { return { x => 9**9**9, text => ':nan' } }
    if ($op eq 'part') { part(9**9**9) }
    if ($op eq 'code') { return { x => sub { 1 } } }
    if ($op eq 'separators') { $, = '-'; $\ = 'END'; $/ = undef; die "oops\n" }
    if ($op eq 'closes') { POSIX::close($_) for 3 .. 9; open(my $file, '<', '/dev/null') }
    return { id => $args->{id}, text => ':nan' };
}
1;
"""
PHP = r"""<?php
function main(array $args) {
    switch ($args['op'] ?? '') {
    case 'buffer': ob_start(null, 0, PHP_OUTPUT_HANDLER_STDFLAGS ^ PHP_OUTPUT_HANDLER_REMOVABLE); break;
    case 'callback': ob_start(function ($text) { throw new Exception('in a callback'); }); break;
    case 'bytes': throw new Exception("\xff bad");
    case 'limit': set_time_limit(1000); break;
    case 'closes': fclose(STDERR); throw new Exception('nobody reads this');
    case 'prints': fclose(STDOUT); echo 'nobody reads this'; break;
    }
    return ['id' => $args['id'], 'limit' => ini_get('max_execution_time') === '1000' && !isset($args['op'])];
}
"""
RUBY = r"""
class Untold < StandardError
  def message = raise('inner')
end
class Lines
  def to_json(*) = "{\n\"a\":1\n}"
end
def main(args)
  case args['op']
  when 'untold' then raise Untold
  when 'bytes' then raise "\xff bad".b
  when 'separator' then $/ = 'q'
  when 'lines' then return Lines.new
  when 'held' then STDOUT.sync = false; STDOUT.print 'held back'
  when 'replaced' then $stdout = Object.new.tap { |log| def log.write(*) = 1 }
  end
  { id: args['id'] }
end
"""
LUA = r"""
function main(args)
  if args.op == "bytes" then error("\xff bad", 0) end
  if args.op == "table" then error(setmetatable({ json = {} }, { __tostring = function() return "told" end })) end
  if args.op == "untold" then error(setmetatable({}, { __tostring = function() error("inner") end })) end
  if args.op == "globals" then
    type, table, error, string, math, utf8, pcall = "post", {}, nil, "text", 1, 2, 3
    io.stdout, io.stderr = nil, nil
  end
  return { id = args.id }
end
"""
NODEJS = r"""
const { stringify } = JSON;
function main(args) {
    if (args.op === 'json')
        JSON.stringify = (value) => stringify(value, null, 4);
    return { id: args.id };
}
"""
SHELL = r"""
quote() { echo mine; }
main() {
    case $(arg op) in
    names) status=500 function=other PIPELINE=x ;;
    fails) return 3 ;;
    traces) set -xak; arg -v text op; answer "{\"id\":$(arg id)}"; return 0 ;;
    esac
    answer "{\"id\":$(arg id)}"
}
"""

ACCIDENTS = {
    "perl": (PERL, 200, {
        "next": LEFT, "last": LEFT, "redo": LEFT,
        "untold": {"error": "an exception that cannot be told as text: Untold"},
        "number": {"error": "the result holds a number that JSON cannot tell"},
        "part": {"error": "the result holds a number that JSON cannot tell"},
        "code": None, "separators": {"error": "oops"}, "closes": ECHO}),
    "php": (PHP, 502, {
        "buffer": ECHO, "callback": ECHO, "bytes": {"error": "\ufffd bad"}, "limit": ECHO,
        "closes": {"error": "nobody reads this"}, "prints": ECHO}),
    "ruby": (RUBY, 200, {
        "untold": {"error": "Untold"}, "bytes": {"error": "\ufffd bad"}, "separator": ECHO,
        "lines": {"a": 1}, "held": ECHO, "replaced": ECHO}),
    "lua": (LUA, 200, {
        "bytes": {"error": "\ufffd bad"}, "table": {"error": "told"},
        "untold": {"error": "an error that cannot be told as text"}, "globals": ECHO}),
    "nodejs": (NODEJS, 502, {"json": ECHO}),
    "shell": (SHELL, 200, {"names": ECHO, "fails": {"error": "main returned 3"}, "traces": ECHO}),
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_an_accident_is_one_activations_own(proxy, name):
    row = language(name)
    code, failed, accidents = ACCIDENTS[name]
    one = proxy(*row.options, env=row.env)
    one.started(code)
    assert one.run({"id": 0}).json["id"] == 0
    processes = one.children()
    for number, (op, wanted) in enumerate(accidents.items(), 1):
        answer = one.run({"id": number, "op": op})
        assert answer.status == (failed if wanted and wanted is not ECHO and "error" in wanted else 200), op
        if wanted is ECHO:
            assert answer.json["id"] == number, op
        elif wanted:
            assert answer.json == wanted, op
        else:
            assert "launcher" not in answer.json["error"], op
        answer = one.run({"id": -number})
        assert (answer.status, answer.json["id"], answer.json.get("limit")) in (
            (200, -number, None), (200, -number, False)), op
    assert one.children() == processes, "it was replaced"
    out, err = one.check_streams(1 + 2 * len(accidents))
    assert "launcher" not in (out + err).lower(), (out, err)
    assert ("held back" in out) == (name == "ruby")
