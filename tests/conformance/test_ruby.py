"""The Ruby runtime, beside what test_languages.py asks of every language."""

import pytest

from archives import zipped
from test_languages import ROWS
from whisk import assert_error

ROW = next(row for row in ROWS if row.name == "ruby")
pytestmark = pytest.mark.skipif(ROW.missing() is not None, reason=f"no Ruby: {ROW.missing()}")


@pytest.fixture
def started(proxy):
    """started(code, **init) -> a proxy that has this source."""
    def begin(code, **init):
        one = proxy("--runtime", "ruby")
        one.started(code, **init)
        return one
    return begin


def test_what_a_file_does_only_as_a_program_of_its_own_is_not_done(started):
    """$0 is not the file, and its folder is the action's, as under Apache's launcher."""
    one = started("def main(args)\n  { folder: File.expand_path(File.dirname($0)) == __dir__, arguments: ARGV }\nend\n"
                  "if __FILE__ == $0 || __FILE__ == $PROGRAM_NAME\n  puts main({})\n  exit 3\nend\n")
    assert one.run({}).json == {"folder": True, "arguments": []}
    assert one.check_streams(1) == ("", "")


@pytest.mark.parametrize("call", ["Logger.new($stdout, progname: 'x').info('told')", "puts JSON.generate(['told'])"])
def test_what_apaches_launcher_loads_needs_no_require(started, call):
    one = started(f"def main(args)\n  {call}\n  {{ ok: true }}\nend\n")
    assert one.run({}).json == {"ok": True}
    assert "told" in one.check_streams(1)[0]


CLASSES = """module Shop
  def self.price(args) = { price: args['n'] }
  class Cart
    def self.add(args) = { cart: args['n'] }
    def self.hidden(args) = {}
    private_class_method :hidden
  end
end
"""


@pytest.mark.parametrize("main, result", [
    ("Shop.price", {"price": 1}), ("Shop::price", {"price": 1}), ("Shop::Cart.add", {"cart": 1}),
    ("::Shop::Cart.add", {"cart": 1})])
def test_main_may_be_a_method_of_a_module(started, main, result):
    """Apache's compiler writes `main` into the call as it is."""
    assert started(CLASSES, main=main).run({"n": 1}).json == result


@pytest.mark.parametrize("main", ["Shop.sell", "Shop.Cart", "Cart.add", "Shop::Cart.hidden", "shop.price", "Shop.", ".price", "Object.exit"])
def test_a_method_that_a_module_does_not_have_is_told(proxy, main):
    one = proxy("--runtime", "ruby")
    assert_error(one.init(CLASSES, main=main), 502, "Cannot start action. Check logs for details.")
    assert f"function '{main}' was not found in main.rb" in one.check_streams(1)[1]


@pytest.mark.parametrize("line, log", [
    ("puts args['text'].b", "é"), ("puts \"\\xe9\".dup.force_encoding('US-ASCII')", "\udce9"),
    ("warn args['text'].b", "é")])
def test_bytes_may_be_printed(started, line, log):
    """As in any Ruby program, and as the body of an HTTP response comes."""
    one = started(f"def main(args)\n  {line}\n  args\nend\n")
    assert one.run({"text": "é"}).json == {"text": "é"}
    assert "".join(one.check_streams(1)) == log


@pytest.mark.parametrize("quiet, env", [("$VERBOSE = nil\n", {}), ("", {"RUBYOPT": "-W0"})])
def test_an_exception_is_logged_with_its_trace_and_cause_also_where_warnings_are_off(started, quiet, env):
    one = started(quiet + "def fetch\n  raise 'no route'\nend\n"
                  "def main(args)\n  fetch\nrescue StandardError\n  raise ArgumentError, 'no data'\nend\n", env=env)
    assert one.run({}).json == {"error": "no data"}
    log = one.check_streams(1)[1]
    assert "main': no data (ArgumentError)" in log and "fetch': no route (RuntimeError)" in log
    assert "launcher.rb" not in log


@pytest.mark.parametrize("gem", ["json", "ostruct"])
def test_an_action_may_bring_a_version_of_a_gem_that_the_launcher_uses(proxy, gem):
    """As Bundler does where a Gemfile.lock names json: "already activated json 2.6.1" (aws-lambda-ruby-ric#36)."""
    one = proxy("--runtime", "ruby")
    one.started(zipped({
        "main.rb": f"Gem.use_paths(Gem.dir, [File.join(__dir__, 'vendor')])\ngem '{gem}', '99.1.2'\n"
                   f"def main(args)\n  {{ used: Gem.loaded_specs['{gem}'].version.to_s, text: JSON.generate(args) }}\nend\n",
        f"vendor/gems/{gem}-99.1.2/lib/{gem}.rb": "",
        f"vendor/specifications/{gem}-99.1.2.gemspec":
            f"Gem::Specification.new('{gem}', '99.1.2') {{ |spec| spec.summary = 'none' }}\n"}))
    assert one.run({"a": 1}).json == {"used": "99.1.2", "text": '{"a":1}'}


def test_a_replaced_stderr_that_can_write_gets_the_trace(started):
    one = started("class Log\n  def write(text) = STDERR.write('log: ' + text)\nend\n$stderr = Log.new\n"
                  "def main(_args) = raise('oh')\n")
    assert one.run({}).json == {"error": "oh"}
    assert "log: " in one.check_streams(1)[1]


def test_code_that_replaces_json_changes_no_answer(started):
    """As some libraries do, Oj.mimic_JSON among them."""
    one = started("module JSON\n  def self.parse(*) = raise('mine')\n  def self.generate(*) = 'mine'\nend\n"
                  "def main(args)\n  args['fail'] ? raise('oh') : args\nend\n")
    assert one.run({"a": [1]}).json == {"a": [1]}
    assert one.run({"fail": 1}).json == {"error": "oh"}
    assert one.post("/run", b'{"value":{"a":1},"namespace":{"x":1}}').json == {"a": 1}
