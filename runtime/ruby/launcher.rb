#!/usr/bin/env ruby
# frozen_string_literal: true

# launcher.rb [FILE [MAIN]] - keep a Ruby method loaded and answer one JSON line per activation.
#
# Lines come in on descriptor 0 and answers leave on descriptor 1; ../README.md has the protocol.
# The method is defined at the file's top level. It gets and returns what JSON.parse makes of a
# value.

require 'json'
autoload :Logger, 'logger' # Apache's launcher loads both

# The action may bring its own versions of these gems, as Bundler does. RubyGems refuses that once one is in use.
%w[json ostruct].each { |name| Gem.loaded_specs.delete(name) } if defined?(Gem)

module Whiskloop
  PIPELINE = 64 # lines that may be written ahead of the answers
  AHEAD_MAX = 256 # most lines read while an activation runs; the proxy writes no more than 64
  READ_BYTES = 65_536
  LIST_MAX = 64 << 20 # most bytes of parts that are kept in a shell
  LEFT = Object.new.freeze # thrown once the client has left
  KEPT_FD_MIN = 100 # our own descriptors are above this: code may expect low numbers
  F_DUPFD_CLOEXEC = 1030

  # JSON's parser, kept from before the user's code can replace it.
  PARSE = JSON.method(:parse)
  GENERATE = JSON.method(:generate)

  # Keys that are always shown: the platform sends them, or the proxy from a client's headers.
  PLATFORM = %w[namespace action_name action_version activation_id transaction_id deadline
                api_host api_key traceparent tracestate].freeze
  OTHERS_MAX = 256 # most other keys shown: setting a variable takes longer the more there are
  KEY_MAX = 1024 # characters

  # setenv() never frees a value that it replaces. After so many bytes, load Fiddle to avoid that.
  LOST_MAX = 1 << 20

  # Read by Ruby, or by a library that it uses, only while the process starts.
  READ_AT_START = /\A(RUBY|GEM_|LD_|LC_|LANG|MALLOC_|GLIBC_)/.freeze

  module_function

  # A copy of a descriptor with a high number, which programs do not inherit.
  def keep(io, mode)
    IO.for_fd(io.fcntl(F_DUPFD_CLOEXEC, KEPT_FD_MIN), mode).tap(&:binmode)
  rescue Errno::EINVAL
    io.dup.tap(&:binmode) # a limit on open files below KEPT_FD_MIN
  end

  # The user's standard input is empty, and standard output is the log. Descriptor 3 is the proxy's
  # only if there is a proxy. In a shell it may be one of Ruby's own.
  def open_logs(acknowledge)
    log = IO.for_fd(3, 'w') if acknowledge
    $stdin.reopen(File::NULL)
    $stdout.reopen(log || $stderr)
    log&.close
    $stdout.sync = $stderr.sync = true
  end

  def answer(text)
    exit if $$ != @pid # a child that the function has forked came back here
    @answers.write(text, "\n")
    @answers.flush
  rescue Errno::EPIPE
    exit!(1) # nobody reads the answers any more
  end

  def to_json_line(result)
    text = GENERATE.call(result, max_nesting: 0)
    # A to_json method of the user's may write several lines. Outside of strings, newlines in JSON
    # are blanks.
    text.match?(/[\n\r]/) ? text.tr("\n\r", '  ') : text
  end

  # A JSON value as the text of a variable.
  def variable(item)
    case item
    when String then item
    when nil then ''
    else to_json_line(item)
    end
  end

  # Set a variable, or remove it if text is nil. After LOST_MAX bytes the values are put into memory
  # of our own, which is overwritten.
  def set(name, text)
    return ENV[name] = text if text.nil? || !overwrites?(name.bytesize + text.bytesize)

    line = "#{name}=#{text}\0"
    @places[name] = Fiddle::Pointer.malloc(2 * line.bytesize) if (@places[name]&.size || 0) < line.bytesize
    @places[name][0, line.bytesize] = line
    @putenv.call(@places[name]) if ENV[name] != text
  end

  # Count the bytes that setenv() would leak next. Returns whether variables have memory of our own.
  def overwrites?(bytes)
    @lost = (@lost || 0) + bytes
    return !@putenv.nil? if @places || @lost < LOST_MAX

    @places = {} # name => memory, never freed, as the environment may refer to it
    require 'fiddle'
    @putenv = Fiddle::Function.new(Fiddle::Handle::DEFAULT['putenv'], [Fiddle::TYPE_VOIDP], Fiddle::TYPE_INT)
    true
  rescue LoadError, StandardError
    false # a Ruby without Fiddle
  end

  # The metadata as variables: name => text.
  def variables(request)
    if request.size > OTHERS_MAX
      request = request.first(OTHERS_MAX).to_h.merge(request.slice(*PLATFORM))
    end
    request.each_with_object({}) do |(key, item), found|
      next if key.length > KEY_MAX || key == 'value'

      name = "__OW_#{key.upcase}"
      text = variable(item)
      found[name] = text unless name.match?(/[=\0]/) || text.include?("\0")
    end
  end

  # Show this activation's metadata as variables, and restore those that only the last one had.
  def show(request)
    shown = variables(request)
    @before ||= {} # variable => its text before activations set it
    (@before.keys - shown.keys).each { |name| set(name, @before.delete(name)) }
    shown.each do |name, text|
      @before[name] = ENV[name] unless @before.key?(name)
      set(name, text)
    end
  end

  # The user's code may have replaced $stdout and $stderr, even by objects that are not streams, and
  # text that it printed before that may still be buffered.
  def flush_logs
    [$stdout, $stderr, STDOUT, STDERR].each do |io|
      io.flush
    rescue StandardError
      nil # closed, or an object that cannot be flushed
    end
  end

  # A problem's message as UTF-8, without the path of the action's folder, which differs at each
  # start. The class's name if there is no message.
  def text_of(problem)
    text = problem.message.to_s
    text = text.encoding == Encoding::BINARY ? text.dup.force_encoding(Encoding::UTF_8)
                                             : text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace)
    text.empty? ? problem.class.to_s : text.scrub.gsub(@own_folder, '')
  rescue StandardError
    problem.class.to_s
  end

  # Print a problem and its causes with the user's part of their traces. Not by `warn`, which is
  # silent if the user's code has turned off warnings.
  def report(problem)
    trace = (problem.backtrace || []).reject { |line| line.start_with?(__FILE__) }
    lines = ["#{trace.first || 'main'}: #{problem.message} (#{problem.class})",
             *trace.drop(1).map { |line| "\tfrom #{line}" }]
    lines.each { |line| $stderr.write("#{line}\n") } # the only method that Ruby demands of a $stderr
    report(problem.cause) if problem.cause
  rescue StandardError
    nil # the user's code closed $stderr; the answer still has the error
  end

  # Read the init line and set the variables in it. Returns its path and main.
  def wait_for_init
    line = @lines.gets("\n") or exit(0)
    begin
      init = JSON.parse(line)['init']
      path = init['path']
      path = File.join(path, 'main.rb') if File.directory?(path)
      File.stat(path)
      changed = (init['env'] || {}).transform_values { |item| variable(item) }
                                   .reject { |name, _| name.empty? || name.match?(/[=\0]/) }
                                   .reject { |name, text| ENV[name] == text }
      ENV.update(changed)
    rescue StandardError => e
      text = 'cannot use the init line, want {"init":{"path":FOLDER,"main":NAME,"env":{}}}: ' \
             "#{e.message}"
      warn text
      answer(to_json_line({ ok: false, error: text }))
      exit(1)
    end
    main = init['main'].to_s
    # In the action's folder, because RUBYLIB and RUBYOPT may name files in it.
    again = [RbConfig.ruby, File.expand_path(__FILE__), File.expand_path(path), main]
    exec(*again, chdir: File.dirname(again[2])) if changed.keys.any?(READ_AT_START)
    [path, main]
  end

  # The caller named a function that does not exist.
  class MethodNotFound < StandardError; end

  # A method of the top level, or a module's own method, such as Shop::Cart.add.
  def method_named(name)
    place, mark, method = name.rpartition(/\.|::/)
    mark.empty? ? TOPLEVEL_BINDING.receiver.method(name) : Object.const_get(place).public_method(method)
  end

  # Enter the file's folder, load it and return its methods by name, or exit with the reason.
  def load_action(path, main)
    file = File.expand_path(path)
    abort("Cannot start action: no such file: #{file}") unless File.file?(file)
    Dir.chdir(File.dirname(file))
    @own_folder = %r{(?<![\w./-])#{Regexp.escape(File.dirname(file))}/} unless File.dirname(file) == '/'
    ARGV.clear
    # A name in the action's folder other than the file's: code under `if __FILE__ == $0` must not
    # run.
    $PROGRAM_NAME = File.join(File.dirname(file), 'exec__.rb')
    Process.setproctitle(file)
    $LOAD_PATH.unshift(File.dirname(file))
    before = Object.private_instance_methods(false)
    begin
      load(file)
    rescue SystemExit, Interrupt
      raise
    rescue Exception => e # a SyntaxError is not a StandardError
      report(e)
      exit(1)
    end
    (main.to_s.empty? ? 'main' : main).split(',', -1).map(&:strip).to_h do |name|
      [name, method_named(name)]
    rescue NameError
      defined = (Object.private_instance_methods(false) - before).first(8).join(', ')
      abort("Cannot start action: function '#{name}' was not found in #{File.basename(file)}" +
            (defined.empty? ? '' : ", which defines: #{defined}"))
    end
  end

  # Whether a line is a control line, not a request. Remembers what it cancels.
  def control?(line)
    return false unless @sends_parts && line.start_with?('cancel ')

    @cancelled[Integer(line[7..])] = true
  end

  # Read the available input without waiting. Returns whether nobody waits for the running
  # activation.
  def cancelled?
    while @ahead.size < AHEAD_MAX && IO.select([@lines], nil, nil, 0)
      text = @unfinished << @lines.readpartial(READ_BYTES)
      @unfinished = +''.b
      text.each_line("\n") do |line|
        next @unfinished = line unless line.end_with?("\n")

        @ahead << line unless control?(line)
      end
    end
    @cancelled[@number]
  rescue EOFError # next_request will meet the end again
    @cancelled[@number]
  end

  # The next request; nil at the end.
  def next_request
    @cancelled.delete_if { |number, _| number <= @number }
    @number += 1
    while true
      line = @ahead.shift
      if line.nil?
        line = @lines.gets("\n") # the user's code may have changed $/
        unless @unfinished.empty?
          line = @unfinished << line.to_s
          @unfinished = +''.b
        end
      end
      return line unless line && control?(line)
    end
  end

  # Send an Enumerator's parts to the proxy at once; in a shell keep them for a list. When the
  # client leaves, the enumerator's `ensure` runs.
  def take_parts(enumerator)
    list = []
    n_kept = 0
    is_over = false
    result = catch(LEFT) do
      enumerator.each do |*values|
        raise 'the activation is over' if is_over # a thread that runs on: the next caller would get this

        part = to_json_line(values.size > 1 ? values : values[0])
        if @sends_parts
          flush_logs
          answer("+#{part}")
          throw LEFT, { error: 'the client has left' } if cancelled?
        else
          raise "a list of the parts is longer than #{LIST_MAX} bytes" if (n_kept += part.bytesize) > LIST_MAX

          list << part
        end
      end
    end
    # The value of the block of Enumerator.new, if it is a Hash. Those of each_slice and the like
    # return the receiver.
    return to_json_line(result) if result.is_a?(Hash)

    @sends_parts ? '+' : "[#{list.join(',')}]"
  ensure
    is_over = true
  end

  def finish(result)
    result.is_a?(Enumerator) ? take_parts(result) : to_json_line(result)
  end

  # The function that the member `method` names, or the first one.
  def choose(functions, request)
    return functions.values.first if functions.size < 2

    method = request.delete('method')
    return functions.values.first if method.nil?

    functions.fetch(method) do
      raise MethodNotFound, "method not found: #{to_json_line(method)}; want #{functions.keys.join(', ')}"
    end
  end

  def activate(functions, line)
    begin
      text = line.force_encoding(Encoding::UTF_8)
      raise JSON::ParserError, 'it is not UTF-8' unless text.valid_encoding?

      request = PARSE.call(text, max_nesting: false) || {}
    rescue JSON::ParserError => e
      return to_json_line({ error: "cannot read the line as JSON: #{e.message.scrub}" })
    end
    unless request.is_a?(Hash)
      return '{"error":"cannot use the line: want a JSON object with a value"}'
    end

    begin
      function = choose(functions, request)
      show(request)
      value = request['value']
      finish(function.call(value.nil? ? {} : value))
    rescue MethodNotFound => e
      to_json_line({ error: e.message })
    rescue SystemExit, Interrupt, SignalException
      raise
    rescue Exception => e # SystemStackError and ScriptError are not StandardErrors
      report(e)
      to_json_line({ error: text_of(e) })
    end
  end

  # A child that only forks must not hold our pipes open, because the proxy learns of our death from
  # their end.
  module Forks
    def _fork
      super.tap { |pid| Whiskloop.forget if pid.zero? }
    end
  end

  def forget
    @lines.close
    @answers.close
  end

  def run
    acknowledge = ENV['__OW_WAIT_FOR_ACK'].to_s != ''
    if ARGV.length > 2 || (ARGV.empty? && !acknowledge)
      warn 'usage: launcher.rb FILE [MAIN]',
           'Reads one JSON line per activation and writes one JSON line per answer:',
           %q(    printf '{"value":{"name":"Mike"}}\n' | launcher.rb hello.rb)
      exit(2)
    end
    Encoding.default_external = Encoding::UTF_8
    @pid = $$
    @own_folder = /(?!)/ # matches nothing
    @lines = keep($stdin, 'r')
    @answers = keep($stdout, 'w')
    path, main = ARGV.empty? ? wait_for_init : ARGV
    open_logs(acknowledge)
    Process.singleton_class.prepend(Forks) if Process.respond_to?(:_fork)
    functions = load_action(path, main)
    answer(%({"ok":true,"pipeline":#{PIPELINE},"parts":true,"control":true})) if acknowledge
    @sends_parts = acknowledge
    @number = 0 # of the last line handed out, not counting control lines
    @cancelled = {} # numbers of lines that nobody waits for
    @ahead = [] # lines that were read while an activation ran
    @unfinished = +''.b # the start of the line after them
    while (line = next_request)
      text = activate(functions, line)
      flush_logs
      answer(text)
    end
  end
end

Whiskloop.run
