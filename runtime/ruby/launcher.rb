#!/usr/bin/env ruby
# frozen_string_literal: true

# launcher.rb [FILE [MAIN]] - keep a Ruby method loaded and answer one JSON line per activation.
#
# Lines come in on descriptor 0 and answers leave on descriptor 1; ../README.md has the protocol.
# The method is one of the file's top level; it gets and returns what JSON.parse makes of a value.

require 'json'

# The action may bring its own versions of these gems, as Bundler does. RubyGems refuses that once one is in use.
%w[json ostruct].each { |name| Gem.loaded_specs.delete(name) } if defined?(Gem)

module Whiskloop
  PIPELINE = 64 # lines that may be written ahead of the answers
  AHEAD_MAX = 256 # lines that are read while an activation runs; the proxy writes no more than 64
  READ_BYTES = 65_536
  LIST_MAX = 64 << 20 # bytes of parts that are kept where there is nobody to send them to
  LEFT = Object.new.freeze # thrown once the client has left
  KEPT_FD_MIN = 100 # our own descriptors: above what code expects to get
  F_DUPFD_CLOEXEC = 1030

  # JSON as it was before the user's code could put something else in its place.
  PARSE = JSON.method(:parse)
  GENERATE = JSON.method(:generate)

  # Keys that the platform, or the proxy from a client's headers, sends: these are always shown.
  PLATFORM = %w[namespace action_name action_version activation_id transaction_id deadline
                api_host api_key traceparent tracestate].freeze
  OTHERS_MAX = 256 # and so many others: setting a variable takes longer the more there are
  KEY_MAX = 1024 # characters

  # setenv() never frees a value that it replaces. From so many bytes on, load what avoids that.
  LOST_MAX = 1 << 20

  # Read by Ruby, or by a library beneath it, only while the process starts.
  READ_AT_START = /\A(RUBY|GEM_|LD_|LC_|LANG|MALLOC_|GLIBC_)/.freeze

  module_function

  # A copy of a descriptor out of the way, which no program inherits.
  def keep(io, mode)
    IO.for_fd(io.fcntl(F_DUPFD_CLOEXEC, KEPT_FD_MIN), mode).tap(&:binmode)
  rescue Errno::EINVAL
    io.dup.tap(&:binmode) # a limit on open files below KEPT_FD_MIN
  end

  # The user's standard input reads nothing; standard output is the log. Descriptor 3 is the proxy's
  # only where there is a proxy; in a shell Ruby may have it for itself.
  def open_logs(acknowledge)
    log = IO.for_fd(3, 'w') if acknowledge
    $stdin.reopen(File::NULL)
    $stdout.reopen(log || $stderr)
    log&.close
    $stdout.sync = $stderr.sync = true
  end

  def answer(text)
    exit if $$ != @pid # a child of the function's that has returned here
    @answers.write(text, "\n")
    @answers.flush
  rescue Errno::EPIPE
    exit!(1) # nobody reads the answers any more
  end

  def to_json_line(result)
    text = GENERATE.call(result, max_nesting: 0)
    # A to_json of the user's may write several lines. Newlines in JSON outside texts are blanks.
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

  # Set a variable, or remove it if text is nil. After LOST_MAX bytes the values get memory of our
  # own, to be written over.
  def set(name, text)
    return ENV[name] = text if text.nil? || !overwrites?(name.bytesize + text.bytesize)

    line = "#{name}=#{text}\0"
    @places[name] = Fiddle::Pointer.malloc(2 * line.bytesize) if (@places[name]&.size || 0) < line.bytesize
    @places[name][0, line.bytesize] = line
    @putenv.call(@places[name]) if ENV[name] != text
  end

  # Count the bytes that setenv() would lose next. Whether variables have memory of our own.
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

  # Show what came with this activation as variables, and take back what came with the last alone.
  def show(request)
    shown = variables(request)
    @before ||= {} # variable => its text before activations set it
    (@before.keys - shown.keys).each { |name| set(name, @before.delete(name)) }
    shown.each do |name, text|
      @before[name] = ENV[name] unless @before.key?(name)
      set(name, text)
    end
  end

  # What the user's code has put in the place of $stdout and $stderr need not be a stream, and what
  # it printed before may still be held.
  def flush_logs
    [$stdout, $stderr, STDOUT, STDERR].each do |io|
      io.flush
    rescue StandardError
      nil # closed, or an object that has nothing to be saved
    end
  end

  # The message of a problem as UTF-8, whatever it is, without the action's folder, which has another name
  # at each start; its class where there is none.
  def text_of(problem)
    text = problem.message.to_s
    text = text.encoding == Encoding::BINARY ? text.dup.force_encoding(Encoding::UTF_8)
                                             : text.encode(Encoding::UTF_8, invalid: :replace, undef: :replace)
    text.empty? ? problem.class.to_s : text.scrub.gsub(@own_folder, '')
  rescue StandardError
    problem.class.to_s
  end

  # Print a problem and its causes with the user's part of their traces. `warn` is silent where the user's
  # code has turned off warnings.
  def report(problem)
    trace = (problem.backtrace || []).reject { |line| line.start_with?(__FILE__) }
    lines = ["#{trace.first || 'main'}: #{problem.message} (#{problem.class})",
             *trace.drop(1).map { |line| "\tfrom #{line}" }]
    lines.each { |line| $stderr.write("#{line}\n") } # Ruby asks what stands for $stderr for no more
    report(problem.cause) if problem.cause
  rescue StandardError
    nil # the user's code closed $stderr: the answer still tells
  end

  # The path and main of an init line; the variables in it are set.
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
    # In the action's folder: RUBYLIB and RUBYOPT may name what lies there.
    again = [RbConfig.ruby, File.expand_path(__FILE__), File.expand_path(path), main]
    exec(*again, chdir: File.dirname(again[2])) if changed.keys.any?(READ_AT_START)
    [path, main]
  end

  # The caller named no function that there is.
  class MethodNotFound < StandardError; end

  # A method of the top level, or a module's own such as Shop::Cart.add.
  def method_named(name)
    place, mark, method = name.rpartition(/\.|::/)
    mark.empty? ? TOPLEVEL_BINDING.receiver.method(name) : Object.const_get(place).public_method(method)
  end

  # Enter the file's folder, load it and return its methods by name, or end with the reason.
  def load_action(path, main)
    file = File.expand_path(path)
    abort("Cannot start action: no such file: #{file}") unless File.file?(file)
    Dir.chdir(File.dirname(file))
    @own_folder = %r{(?<![\w./-])#{Regexp.escape(File.dirname(file))}/} unless File.dirname(file) == '/'
    ARGV.clear
    # In the action's folder, but not the file: `if __FILE__ == $0` is for programs of their own.
    $PROGRAM_NAME = File.join(File.dirname(file), 'exec__.rb')
    Process.setproctitle(file)
    $LOAD_PATH.unshift(File.dirname(file))
    before = Object.private_instance_methods(false)
    begin
      load(file)
    rescue SystemExit, Interrupt
      raise
    rescue Exception => e # a SyntaxError is no StandardError
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

  # Whether a line is no request; what it says is kept.
  def control?(line)
    return false unless @sends_parts && line.start_with?('cancel ')

    @cancelled[Integer(line[7..])] = true
  end

  # Read what is there, without waiting; whether nobody waits for the activation that runs.
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
  rescue EOFError # next_request will see it
    @cancelled[@number]
  end

  # The next request, nil at the end.
  def next_request
    @cancelled.delete_if { |number, _| number <= @number }
    @number += 1
    while true
      line = @ahead.shift
      if line.nil?
        line = @lines.gets("\n") # whatever the user's code has made of $/
        unless @unfinished.empty?
          line = @unfinished << line.to_s
          @unfinished = +''.b
        end
      end
      return line unless line && control?(line)
    end
  end

  # What an Enumerator gives, sent to the proxy as it comes; in a shell kept for a list. Where the
  # client leaves, the enumerator's `ensure` runs.
  def take_parts(enumerator)
    list = []
    n_kept = 0
    result = catch(LEFT) do
      enumerator.each do |*values|
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
    # What the block of Enumerator.new returns. That of each_slice and the like is their receiver.
    return to_json_line(result) if result.is_a?(Hash)

    @sends_parts ? '+' : "[#{list.join(',')}]"
  end

  def finish(result)
    result.is_a?(Enumerator) ? take_parts(result) : to_json_line(result)
  end

  # Of several functions the member `method` chooses, the first is the default.
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
    rescue Exception => e # SystemStackError and ScriptError are no StandardErrors
      report(e)
      to_json_line({ error: text_of(e) })
    end
  end

  # A child that is only forked must not hold our pipes open: the proxy sees our death by their end.
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
    @own_folder = /(?!)/ # nothing
    @lines = keep($stdin, 'r')
    @answers = keep($stdout, 'w')
    path, main = ARGV.empty? ? wait_for_init : ARGV
    open_logs(acknowledge)
    Process.singleton_class.prepend(Forks) if Process.respond_to?(:_fork)
    functions = load_action(path, main)
    answer(%({"ok":true,"pipeline":#{PIPELINE},"parts":true,"control":true})) if acknowledge
    @sends_parts = acknowledge
    @number = 0 # of the line that was handed out last, control lines not counted
    @cancelled = {} # numbers of lines that nobody waits for
    @ahead = [] # lines that were read while an activation ran
    @unfinished = +''.b # the line behind them
    while (line = next_request)
      text = activate(functions, line)
      flush_logs
      answer(text)
    end
  end
end

Whiskloop.run
