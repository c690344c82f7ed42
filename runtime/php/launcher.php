<?php
/*
 * launcher.php [FILE [MAIN]] - keep a PHP function loaded and answer one JSON line per activation.
 *
 * Started by launcher.sh: lines come in on descriptor 8 and answers leave on 9; ../README.md has
 * the protocol. The function gets an array, and returns an array or an object. PHP has one type for
 * lists and objects, so an empty one is answered as []. If the whole result is empty, it is
 * answered as {}.
 */

namespace Whiskloop;

const PIPELINE = 64; // lines that may be written ahead of the answers
const AHEAD_MAX = 256; // lines that are read while an activation runs; the proxy writes no more than 64
const READ_BYTES = 65536;
const LIST_MAX = 64 << 20; // most bytes of parts that are kept in a shell
const DEPTH_MAX = 2048; // the proxy allows 1024
const ENCODING = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS
    | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR;

// Keys that are always shown: the platform sends them, or the proxy from a client's headers.
const PLATFORM = ['namespace' => 1, 'action_name' => 1, 'action_version' => 1, 'activation_id' => 1,
    'transaction_id' => 1, 'deadline' => 1, 'api_host' => 1, 'api_key' => 1, 'traceparent' => 1,
    'tracestate' => 1];
const OTHERS_MAX = 256; // most other keys shown: setting a variable takes longer the more there are
const KEY_MAX = 1024; // bytes

// Read by PHP, or by a library that it uses, only while the process starts.
const READ_AT_START = '/^(PHP|LD_|LC_|LANG|TZ|MALLOC_|GLIBC_|USE_ZEND_ALLOC)/';

final class Launcher
{
    private static $lines;
    private static $answers;
    private static array $before = []; // variable -> what it was before activations, or false
    private static int $number = 0; // of the last line handed out, not counting control lines
    private static array $cancelled = []; // numbers of lines that nobody waits for
    private static array $ahead = []; // lines that were read while an activation ran
    private static string $unfinished = ''; // the start of the line after them
    private static bool $busy = false;
    private static int $pid; // ours
    public static string $folder = '/'; // the action's
    public static bool $sendsParts = false;
    public static int $timeLimit = 0; // seconds of processor time, as the code set it while it loaded
    public static string $failed = ''; // put before the answer of a function that threw

    public static function open(): void
    {
        self::$pid = getmypid();
        $_ENV = getenv(); // whatever variables_order in php.ini says
        self::$lines = fopen('php://fd/8', 'r');
        self::$answers = fopen('php://fd/9', 'w');
        register_shutdown_function([self::class, 'atEnd']);
    }

    public static function encode(mixed $value): string
    {
        return json_encode($value, ENCODING, DEPTH_MAX);
    }

    public static function answer(string $line): void
    {
        if (getmypid() !== self::$pid) {
            exit(0); // a child that the function has forked came back here
        }
        $line .= "\n";
        while ($line !== '') {
            $n = @fwrite(self::$answers, $line);
            if (!$n) {
                exit(1); // nobody reads the answers any more
            }
            $line = $n === strlen($line) ? '' : substr($line, $n);
        }
    }

    /* The next request; false at the end. */
    public static function next(): string|false
    {
        if (self::$cancelled !== []) {
            self::$cancelled = array_filter(self::$cancelled, fn($number) => $number > self::$number);
        }
        self::$number++;
        do {
            $line = array_shift(self::$ahead);
            if ($line === null) {
                $line = fgets(self::$lines);
                if (self::$unfinished !== '') {
                    $line = self::$unfinished . $line;
                    self::$unfinished = '';
                }
            }
        } while ($line !== false && self::isControl($line));
        return $line;
    }

    /* Whether a line is a control line, not a request. Remembers what it cancels. */
    private static function isControl(string $line): bool
    {
        if (!self::$sendsParts || !preg_match('/^cancel ([0-9]{1,18})$/D', rtrim($line, "\n"), $found)) {
            return false;
        }
        self::$cancelled[] = (int)$found[1];
        return true;
    }

    /* Read the available input without waiting. Returns whether nobody waits for the running
     * activation. */
    private static function isCancelled(): bool
    {
        while (count(self::$ahead) < AHEAD_MAX) {
            // What PHP has read already. fread() of more than that would wait for the rest.
            $n = stream_get_meta_data(self::$lines)['unread_bytes'];
            $ready = [self::$lines];
            $none = null;
            if (($n === 0 && !stream_select($ready, $none, $none, 0))
                || ($piece = fread(self::$lines, $n ?: READ_BYTES)) == '') {
                break;
            }
            $pieces = explode("\n", self::$unfinished . $piece);
            self::$unfinished = array_pop($pieces);
            foreach ($pieces as $line) {
                if (!self::isControl($line)) {
                    self::$ahead[] = "$line\n";
                }
            }
        }
        return in_array(self::$number, self::$cancelled, true);
    }

    /* A JSON value as the text of a variable. */
    private static function variable(mixed $item): string
    {
        return is_string($item) ? $item : ($item === null ? '' : self::encode($item));
    }

    private static function restore(): void
    {
        foreach (self::$before as $name => $text) {
            if ($text === false) {
                putenv($name);
                unset($_ENV[$name]);
            } else {
                putenv("$name=$text");
                $_ENV[$name] = $text;
            }
        }
        self::$before = [];
    }

    /* Show this activation's metadata as variables, and restore those of the last activation. */
    private static function show(array $request): void
    {
        self::restore();
        unset($request['value']);
        if (count($request) > OTHERS_MAX) {
            $request = array_intersect_key($request, PLATFORM) + array_slice($request, 0, OTHERS_MAX, true);
        }
        foreach ($request as $key => $item) {
            if (strlen((string)$key) > KEY_MAX) {
                continue;
            }
            $name = '__OW_' . mb_up((string)$key);
            $text = self::variable($item);
            if (!preg_match('/[=\0]/', $name) && !str_contains($text, "\0")) {
                self::$before[$name] ??= getenv($name);
                putenv("$name=$text");
                $_ENV[$name] = $text;
            }
        }
    }

    /* Read the init line and set the variables in it. Returns the arguments that a start with an
     * action would have. */
    public static function waitForInit(): array
    {
        $line = fgets(self::$lines); // not counted as a request
        if ($line === false) {
            exit(0);
        }
        try {
            $init = json_decode($line, true, DEPTH_MAX, JSON_THROW_ON_ERROR)['init'];
            $path = is_dir($init['path']) ? "$init[path]/index.php" : $init['path'];
            if (!file_exists($path)) {
                throw new \Exception("$path: no such file");
            }
            $restart = false;
            foreach ($init['env'] ?? [] as $name => $item) {
                $name = (string)$name;
                $text = self::variable($item);
                if ($name !== '' && !preg_match('/[=\0]/', $name) && !str_contains($text, "\0")
                    && getenv($name) !== $text) {
                    putenv("$name=$text");
                    $_ENV[$name] = $_SERVER[$name] = $text;
                    $restart = $restart || preg_match(READ_AT_START, $name);
                }
            }
        } catch (\Throwable $problem) {
            $text = 'cannot use the init line, want {"init":{"path":FOLDER,"main":NAME,"env":{}}}: '
                . $problem->getMessage();
            fwrite(STDERR, "$text\n");
            self::answer(self::encode(['ok' => false, 'error' => $text]));
            exit(1);
        }
        $main = ($init['main'] ?? '') ?: 'main';
        if ($restart && function_exists('pcntl_exec')) {
            $path = realpath($path);
            chdir(dirname($path)); // PHPRC may name a folder in it
            self::startAgain([$path, $main]);
        }
        return [$path, $main];
    }

    /* Exec a fresh process. Its descriptors are put back in their first order on the way. */
    private static function startAgain(array $arguments): void
    {
        $restore = 'exec 3>&1 0<&8 1>&9 8<&- 9>&-; exec sh "$0" "$@"';
        pcntl_exec('/bin/sh', ['-c', $restore, __DIR__ . '/launcher.sh', ...$arguments], getenv());
    }

    /* PHP's message about a function's parameters, without the place in our file that calls it. */
    private static function withoutOurCall(string $text): string
    {
        return preg_replace('~(, called)? in ' . preg_quote(__FILE__, '~') . ' on line \d+~', '', $text) ?? $text;
    }

    public static function report(\Throwable $problem): void
    {
        try {
            // Without our own calls, which are not in the user's code.
            fwrite(STDERR, self::withoutOurCall(
                preg_replace('~^#\d+ ' . preg_quote(__FILE__, '~') . '.*\n~m', '', "$problem\n")));
        } catch (\Throwable) {
            return; // STDERR is closed, or the problem's text cannot be made; the answer still has the error
        }
    }

    /* The text of a problem, without the path of the action's folder, which varies. */
    private static function told(\Throwable $problem): string
    {
        $text = self::withoutOurCall($problem->getMessage());
        $folder = '~(?<![\w./-])' . preg_quote(self::$folder, '~') . '/~';
        return self::$folder === '/' ? $text : preg_replace($folder, '', $text) ?? $text;
    }

    /* Flush output buffers of the user's code: their content is log. Some buffers cannot be
     * ended, and a callback may fail. */
    public static function endBuffers(): void
    {
        for ($n = ob_get_level(); $n > 0; $n--) {
            $flags = ob_get_status()['flags'];
            try {
                if ($flags & PHP_OUTPUT_HANDLER_REMOVABLE) {
                    ob_end_flush();
                } else {
                    if ($flags & PHP_OUTPUT_HANDLER_FLUSHABLE) {
                        ob_flush();
                    }
                    return; // the buffers below it cannot be reached
                }
            } catch (\Throwable $problem) {
                self::report($problem);
            }
        }
    }

    /* Send a generator's parts to the proxy at once; in a shell keep them for a list. When the
     * client leaves, the generator is destroyed, so that its `finally` runs. */
    private static function takeParts(?\Generator &$generator): string
    {
        $list = [];
        $kept = 0;
        foreach ($generator as $part) {
            $part = self::encode($part);
            if (!self::$sendsParts) {
                $kept += strlen($part);
                if ($kept > LIST_MAX) {
                    throw new \LengthException('a list of the parts is longer than ' . LIST_MAX . ' bytes');
                }
                $list[] = $part;
                continue;
            }
            self::answer("+$part");
            if (self::isCancelled()) {
                $generator = null;
                return '{"error":"the client has left"}';
            }
        }
        $result = $generator->getReturn();
        if ($result !== null) {
            return $result === [] ? '{}' : self::encode($result);
        }
        return self::$sendsParts ? '+' : '[' . implode(',', $list) . ']';
    }

    /* The function that the member `method` names, or the first one. null: there is none. */
    private static function choose(array $functions, array &$request): ?string
    {
        if (count($functions) < 2 || !isset($request['method'])) {
            return $functions[0];
        }
        $method = $request['method'];
        unset($request['method']);
        return in_array($method, $functions, true) ? $method : null;
    }

    /* Run one activation: takes a line, returns its answer. */
    public static function activate(array $functions, string $line): string
    {
        try {
            $request = json_decode($line, true, DEPTH_MAX, JSON_THROW_ON_ERROR);
        } catch (\JsonException $problem) {
            return self::encode(['error' => "cannot read the line as JSON: {$problem->getMessage()}"]);
        }
        $request ??= [];
        if (!is_array($request) || ($request !== [] && array_is_list($request))) {
            return '{"error":"cannot use the line: want a JSON object with a value"}';
        }
        $method = $request['method'] ?? null;
        $function = self::choose($functions, $request);
        if ($function === null) {
            return self::encode(['error' => 'method not found: ' . self::encode($method) . '; want '
                . implode(', ', $functions)]);
        }
        try {
            self::$busy = true;
            if (ini_get('max_execution_time') !== '0') {
                set_time_limit(self::$timeLimit); // so that an activation's use of time does not count for the next one
            }
            self::show($request);
            $argument = $request['value'] ?? []; // a variable: the function may take it by reference
            $result = $function($argument);
            if (is_object($result) && method_exists($result, 'getArrayCopy')) {
                $result = (object)$result->getArrayCopy(); // as Apache's runtime does
            }
            $answer = $result instanceof \Generator ? self::takeParts($result)
                : ($result === null || $result === [] ? '{}' : self::encode($result));
        } catch (\Throwable $problem) {
            self::report($problem);
            $answer = self::$failed . json_encode(['error' => self::told($problem) ?: $problem::class],
                ENCODING | JSON_INVALID_UTF8_SUBSTITUTE);
        }
        self::$busy = false;
        self::endBuffers();
        return $answer;
    }

    /* A fatal error reaches no exception handler and ends PHP. Answer null for the activation
     * then, and end. */
    public static function atEnd(): void
    {
        $last = error_get_last();
        if (self::$busy && $last !== null && ($last['type'] & (E_ERROR | E_CORE_ERROR
            | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR))) {
            self::answer('null');
        }
    }
}

/* Upper case without the extension mbstring, which is a separate package: keys are ASCII. */
function mb_up(string $text): string
{
    return strtr($text, 'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
}

(function () use ($argc, $argv) {
    $acknowledge = (string)getenv('__OW_WAIT_FOR_ACK') !== '';
    if ($argc > 3 || ($argc === 1 && !$acknowledge)) {
        fwrite(STDERR, "usage: launcher.sh FILE [MAIN]\n"
            . "Reads one JSON line per activation and writes one JSON line per answer:\n"
            . "    printf '{\"value\":{\"name\":\"Mike\"}}\\n' | launcher.sh hello.php\n");
        exit(2);
    }
    Launcher::open();
    [$path, $main] = ($argc > 1 ? array_slice($argv, 1) : Launcher::waitForInit()) + ['', 'main'];
    $file = realpath($path);
    if ($file === false) {
        fwrite(STDERR, "Cannot start action: no such file: $path\n");
        exit(1);
    }
    chdir(dirname($file));
    Launcher::$folder = dirname($file);
    set_include_path(dirname($file) . PATH_SEPARATOR . get_include_path());
    $GLOBALS['argv'] = [$file];
    $GLOBALS['argc'] = 1;
    $GLOBALS['__whiskloop'] = [$file, $main ?: 'main', $acknowledge];
})();

// At the top level, so that the file's global variables are global.
try {
    if (is_file('vendor/autoload.php')) {
        require 'vendor/autoload.php';
    }
    require $GLOBALS['__whiskloop'][0];
} catch (\Throwable $problem) {
    Launcher::report($problem);
    exit(1);
}

(function () {
    [$file, $main, $acknowledge] = $GLOBALS['__whiskloop'];
    unset($GLOBALS['__whiskloop']);
    Launcher::endBuffers();
    Launcher::$timeLimit = (int)ini_get('max_execution_time');
    $functions = array_map('trim', explode(',', $main));
    foreach ($functions as $function) {
        if (!is_callable($function)) {
            $all = array_map(fn ($name) => new \ReflectionFunction($name), get_defined_functions()['user']);
            $defined = array_map(fn ($one) => $one->getName(),
                array_filter($all, fn ($one) => $one->getFileName() === realpath($file)));
            fwrite(STDERR, "Cannot start action: function '$function' was not found in " . basename($file)
                . ($defined ? ', which defines: ' . implode(', ', array_slice($defined, 0, 8)) : '') . "\n");
            exit(1);
        }
    }
    if ($acknowledge) {
        Launcher::$failed = '!'; // in a shell an answer is JSON
        Launcher::$sendsParts = true;
        Launcher::answer('{"ok":true,"pipeline":' . PIPELINE . ',"parts":true,"control":true}');
    }
    while (($line = Launcher::next()) !== false) {
        Launcher::answer(Launcher::activate($functions, $line));
    }
})();
