#!/usr/bin/env node
'use strict';

/*
 * launcher - keep a Node.js action loaded and answer one JSON line per activation.
 *
 *     launcher.js [FOLDER-or-FILE [MAIN]]
 *
 * Lines come in on descriptor 0 and answers leave on descriptor 1; ../README.md has the protocol.
 * Both are moved out of reach before the user's code is loaded. Node has no dup2(). So a descriptor
 * is moved by opening it again through /proc. It gets the wanted number because that one is closed
 * first.
 *
 * One activation runs at a time, in order, also if main is async. So what an activation logs, sets
 * and breaks is its own. With __OW_ALLOW_CONCURRENT=true many run at a time, by number. Node 18 or
 * newer, and only its own modules.
 */

const fs = require('fs');
const Module = require('module');
const net = require('net');
const path = require('path');
const { constants, isAscii, isUtf8, transcode } = require('buffer');
const { Writable } = require('stream');
const { pathToFileURL } = require('url');
const { inspect } = require('util');
const vm = require('vm');
const JSON = require('./json.js');
const { Metadata, MetadataOfMany, toText } = require('./metadata.js');
const { Parts, Answer } = require('./parts.js');

const PIPELINE = 64; // most lines that may be written ahead of the answers
const CONCURRENT = 500; // most activations at a time, if several are allowed
const READ_BYTES = 65536;
const MAY_CONTROL = /[cpr]/;
const CONTROL = /^(cancel|pause|resume) (\d+)$/;
const KEEP_BYTES = 4 << 20; // memory kept between activations
const TEXT_MAX = constants.MAX_STRING_LENGTH - 64; // most characters of an answer; its line also has a number and a mark
const ONE_LINE = { breakLength: Infinity, compact: true, maxStringLength: 1000 }; // for inspect()
const LONG_BYTES = 4096; // of a text that is not ASCII
const WHOLE = 1365; // characters, 4,096 bytes at most: a pipe takes so few bytes whole or not at all

// Read by Node, or by a library that it uses, only while the process starts.
const READ_AT_START = /^(NODE_(?!ENV$|PATH$)|UV_|LD_|LC_|LANG|ICU_|OPENSSL_|SSL_|MALLOC_|GLIBC_)/;

// The definition of a function at the start of a line.
const DEFINITION = /^(?:export )?(?:async )?function\*? *([\w$]+)|^(?:(?:module\.)?exports\.|export const )([\w$]+) *=/gm;

// Text that may be a module, and V8's messages when such a text is compiled as a script.
const MAY_BE_MODULE = /\b(import|export|await)\b/;
const HAS_EXPORT = /(^|[;}])\s*(export\s*[{*]|export\s+(default|async|function|class|const|let|var)\b|import\s*[\w$*{"'])/m;
const IS_MODULE = new RegExp("Cannot use import statement outside a module|Unexpected token " +
    "'export'|Cannot use 'import\\.meta' outside a module|await is only valid in async functions " +
    'and the top level bodies of modules');
const nextTurn = setImmediate; // the action may replace it, as fake timers do
const ENTRIES = ['package.json', 'index.js', 'index.mjs']; // of a folder
const SCRIPT_PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname'];

const USAGE = `usage: launcher.js FOLDER-or-FILE [MAIN]
Reads one JSON line per activation and writes one JSON line per answer:
    printf '{"value":{"name":"Mike"}}\\n' | launcher.js hello.js
Without FOLDER it waits for an init line, if __OW_WAIT_FOR_ACK is set (see runtime/README.md).
`;

/* The caller named a function that does not exist. Such an error needs no trace. */
class MethodNotFound extends Error {}

/* The action cannot be started. told: the client may read why. */
class Refusal extends Error {
    constructor(message, told = false) {
        super(message);
        this.told = told;
    }
}

// ---- descriptors ----

const { writeSync } = fs; // some libraries replace the functions of fs

/* Write everything, even if somebody has made the descriptor non-blocking. */
function writeAll(fd, bytes) {
    for (let at = 0; at < bytes.length;) {
        try {
            at += writeSync(fd, bytes, at);
        } catch (problem) {
            if (problem.code !== 'EAGAIN')
                throw problem;
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
        }
    }
}

/* Write a short text without copying it. false: there is no room now. */
function writeWhole(fd, text) {
    try {
        return writeSync(fd, text) > 0;
    } catch (problem) {
        if (problem.code !== 'EAGAIN')
            throw problem;
        return false;
    }
}

/* A log stream that has written the text when write() returns, so nothing is lost, late or out
 * of order. */
class LogStream extends Writable {
    constructor(fd) {
        super({ decodeStrings: true, highWaterMark: 0 });
        this.fd = fd;
    }

    _write(chunk, encoding, done) {
        try {
            writeAll(this.fd, chunk);
        } catch (problem) {
            // The user's code closed it, or nobody reads logs any more. Go on without the log.
        }
        done();
    }

    /* Like Node's own process.stdout: pipeline() destroys it when a source fails, but logs must
     * go on. */
    _destroy(problem, done) {
        done(problem);
        this._undestroy();
    }

    /* Also works after end() or destroy(). */
    write(chunk, encoding, done) {
        if (!this.writableEnded && !this.destroyed)
            return super.write(chunk, encoding, done);
        this._write(typeof chunk === 'string' ? Buffer.from(chunk) : chunk, 'buffer', () => {});
        for (const callback of [encoding, done])
            if (typeof callback === 'function')
                process.nextTick(callback);
        return true;
    }
}

/*
 * The same pipe on a descriptor of our own, which no child inherits. A shell's file stays where it
 * is: opened again it would have a second position, and the two would overwrite each other's bytes.
 * A socket cannot be opened again.
 */
function move(fd, flags) {
    const stat = fs.fstatSync(fd);

    return stat.isFile() || stat.isSocket() ? fd : fs.openSync(`/proc/self/fd/${fd}`, flags);
}

/* Memory that holds one text after the other: a new Buffer of a megabyte costs several times as
 * much as the work on its bytes. */
class Scratch {
    constructor() {
        this.bytes = Buffer.allocUnsafeSlow(READ_BYTES);
        this.n = 0;
    }

    /* Make room for n bytes behind those already held. */
    reserve(n) {
        if (this.n + n <= this.bytes.length)
            return;
        const grown = Buffer.allocUnsafeSlow(Math.max(this.n + n, 2 * this.bytes.length));

        this.bytes.copy(grown, 0, 0, this.n);
        this.bytes = grown;
    }

    add(bytes) {
        this.reserve(bytes.length);
        bytes.copy(this.bytes, this.n);
        this.n += bytes.length;
    }

    addText(text) {
        // A UTF-16 unit is at most three bytes of UTF-8. Counting them takes longer than writing.
        this.reserve(3 * text.length <= KEEP_BYTES ? 3 * text.length : Buffer.byteLength(text));
        this.n += this.bytes.write(text, this.n);
    }

    held() {
        return this.bytes.subarray(0, this.n);
    }

    drop() {
        this.n = 0;
        if (this.bytes.length > KEEP_BYTES)
            this.bytes = Buffer.allocUnsafeSlow(READ_BYTES);
    }
}

const NOT_UTF8 = Symbol('a line that is not UTF-8');

/* The text of a line. Most are ASCII, which would take ten times as long to decode as UTF-8. */
function textOf(bytes) {
    if (isAscii && isAscii(bytes))
        return bytes.toString('latin1');
    if (!isUtf8)
        return bytes.toString();
    if (!isUtf8(bytes))
        return NOT_UTF8;
    // By way of UTF-16, other long texts take a fifth less time, and some a fifth of it.
    return transcode && bytes.length >= LONG_BYTES ? transcode(bytes, 'utf8', 'utf16le').toString('utf16le')
        : bytes.toString();
}

/* Lines in, one after the other, and answers out. */
class Channel {
    constructor() {
        this.linesFd = move(0, fs.constants.O_RDONLY);
        this.answersFd = move(1, fs.constants.O_WRONLY);
        this.queue = []; // texts
        this.unfinished = new Scratch();
        this.out = new Scratch();
        this.onLine = null; // takes a line; returns a promise if it is not done on return
        this.most = 1; // most lines worked on at a time
        this.failed = ''; // put before the answer of a function that threw
        this.running = 0;
        this.ended = false;
        this.number = 0; // of the last line begun: its request id, or its place
        this.parts = new Map(); // number -> Parts of an activation that runs
        this.cancelled = new Set(); // numbers of queued lines that nobody waits for
        this.sendsParts = false;
    }

    /* Start reading. Give each line to onLine(line), `most` at a time, and call onEnd() after
     * the last. */
    start(onLine, onEnd) {
        const stat = fs.fstatSync(this.linesFd);

        this.onLine = onLine;
        this.onEnd = onEnd;
        if (stat.isFIFO() || stat.isSocket()) {
            const buffer = Buffer.allocUnsafeSlow(4 * READ_BYTES);

            this.stream = new net.Socket({
                fd: this.linesFd, readable: true, writable: false,
                onread: {
                    buffer,
                    callback: (n) => {
                        this.cut(buffer.subarray(0, n));
                        return true;
                    },
                },
            });
            this.stream.resume();
        } else {
            this.stream = fs.createReadStream(null, { fd: this.linesFd, highWaterMark: READ_BYTES });
            this.stream.on('data', (chunk) => this.cut(chunk));
        }
        this.stream.on('end', () => {
            if (this.unfinished.n > 0) // in a shell the last line may lack a newline
                this.queue.push(textOf(this.unfinished.held()));
            this.ended = true;
            this.work();
        });
        this.stream.on('error', () => process.exit(1));
    }

    /* Take in the bytes of one read. The chunk's memory is reused afterwards. */
    cut(chunk) {
        const last = chunk.lastIndexOf(10);
        let from = 0;

        if (last >= 0 && this.unfinished.n > 0) {
            from = chunk.indexOf(10) + 1;
            this.unfinished.add(chunk.subarray(0, from - 1));
            this.take(textOf(this.unfinished.held()));
            this.unfinished.drop();
        }
        if (from <= last) {
            const whole = chunk.subarray(from, last);
            const text = textOf(whole);

            if (text !== NOT_UTF8) {
                for (const line of text.split('\n'))
                    this.take(line);
            } else {
                for (let to; from <= last; from = to + 1) {
                    to = chunk.indexOf(10, from);
                    this.take(textOf(chunk.subarray(from, to)));
                }
            }
        }
        if (last + 1 < chunk.length)
            this.unfinished.add(chunk.subarray(last + 1));
        if (this.queue.length > PIPELINE && !this.ended)
            this.stream.pause();
        this.work();
    }

    /* An empty line asks whether lines are read; a control line begins with a word. Both are
     * handled at once, however many activations run. */
    take(line) {
        if (line.length === 0 && this.most > 1)
            return;
        const found = this.sendsParts && line !== NOT_UTF8 && MAY_CONTROL.test(line[0]) && CONTROL.exec(line);

        if (!found)
            this.queue.push(line);
        else if (this.parts.has(Number(found[2])))
            this.parts.get(Number(found[2]))[found[1]]();
        else if (found[1] === 'cancel' && Number(found[2]) > this.number)
            this.cancelled.add(Number(found[2]));
    }

    work() {
        while (this.running < this.most && this.queue.length > 0) {
            const wait = this.onLine(this.queue.shift());

            if (wait)
                this.workAfter(wait);
        }
        if (this.queue.length === 0 && !this.ended)
            this.stream.resume();
        if (this.queue.length === 0 && this.ended && this.running === 0)
            this.onEnd();
    }

    /* Uses await, because the user's code may have replaced then(). */
    async workAfter(wait) {
        this.running++;
        await wait;
        this.running--;
        this.work();
    }

    answer(text) {
        try {
            if (text.length < WHOLE && writeWhole(this.answersFd, text + '\n'))
                return;
            this.out.addText(text);
            this.out.addText('\n'); // separately: text + '\n' would copy a long text once more
            writeAll(this.answersFd, this.out.held());
            this.out.drop();
        } catch (problem) {
            process.exit(1); // nobody reads the answers any more, as in `launcher.js ... | head -1`
        }
    }
}

/* Close descriptor `fd` and open `name` in its place: the kernel uses the lowest free number. */
function replaceFd(fd, name, flags) {
    fs.closeSync(fd);
    if (fs.openSync(name, flags) !== fd)
        throw new Error(`descriptor ${fd} is not free`);
}

/* The user's 0 is empty, and 1 and 2 are the log. Descriptor 3 is the proxy's only if there is a
 * proxy. In a shell it is one of Node's own. */
function openLogs(channel, hasProxy) {
    const append = fs.constants.O_WRONLY | fs.constants.O_APPEND;

    if (channel.linesFd !== 0)
        replaceFd(0, '/dev/null', 'r');
    if (channel.answersFd !== 1)
        replaceFd(1, hasProxy ? '/proc/self/fd/3' : '/proc/self/fd/2', append);
    if (hasProxy)
        fs.closeSync(3);
    for (const [name, fd] of [['stdout', 1], ['stderr', 2]]) {
        // In a shell both streams use 2. With two descriptors of a file they overwrite each other.
        const stream = new LogStream(hasProxy ? fd : 2);

        Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
    }
}

// ---- the action ----

function isFile(name) {
    try {
        return fs.statSync(name).isFile();
    } catch (problem) {
        return false;
    }
}

/* The content of a package.json. Node cannot read one with a byte order mark, so replace such a
 * file by one without. */
function readPackage(name) {
    const text = fs.readFileSync(name, 'utf8');
    const json = text.replace(/^\ufeff/, '');
    let said;

    try {
        said = JSON.parse(json);
    } catch (problem) {
        throw new Refusal(`Cannot start action: ${name} is no JSON: ${problem.message}`);
    }
    try {
        if (text !== json)
            fs.writeFileSync(name, json);
    } catch (problem) {
        throw new Refusal(`Cannot start action: ${name} begins with a byte order mark, which cannot be removed: ` +
                          problem.message);
    }
    return said;
}

/* A hint for a user who packed a folder instead of its content, or with its whole path. */
function someFolderDeeper(folder) {
    for (let inner = '', depth = 0; depth < 8; depth++) {
        const all = fs.readdirSync(path.join(folder, inner)).filter((name) => !/^(\.|__MACOSX$)/.test(name));

        inner = path.join(inner, all[0] || '');
        if (all.length !== 1 || !fs.lstatSync(path.join(folder, inner)).isDirectory())
            return '';
        if (ENTRIES.some((name) => isFile(path.join(folder, inner, name))))
            return ` It is in the folder "${inner}": publish what is in that folder.`;
    }
    return '';
}

/* The entry file of a folder. */
function entryOf(folder) {
    let isPackage = false;

    for (const name of ENTRIES) {
        if (!isFile(path.join(folder, name)))
            continue;
        if (name !== 'package.json')
            return path.join(folder, name);
        const { main } = readPackage(path.join(folder, name)) || {};

        isPackage = true;
        // Node's own rules for what a package.json may contain or leave out.
        if ((typeof main === 'string' && main !== '') || isFile(path.join(folder, 'index.js')))
            return require.resolve(folder);
    }
    if (isPackage)
        throw new Refusal('Initialization error: package.json says no "main", and there is no index.js or index.mjs ' +
                          'at the root.');
    throw new Refusal('Initialization error: zipped actions must contain either package.json or index.js at the root.' +
                      someFolderDeeper(folder));
}

/* The module, and the names in it, that "FILE.FUNCTION" means in a folder, as in Apache's runtime.
 * null: there is no such module. */
function chosenBy(main, folder) {
    const [file, ...names] = main.split('.');
    const found = ['', '.js', '.mjs', '.cjs', '/index.js'].map((ending) => path.join(folder, file + ending))
        .find(isFile);

    return names.length > 0 && file !== '' && found ? { file: found, names } : null;
}

/* Whether Node takes the file for an ECMAScript module by its name or its package.json. */
function isModule(file) {
    if (file.endsWith('.mjs'))
        return true;
    if (!file.endsWith('.js'))
        return false;
    for (let folder = path.dirname(file);; folder = path.dirname(folder)) {
        const name = path.join(folder, 'package.json');

        if (isFile(name))
            return readPackage(name).type === 'module';
        if (folder === path.dirname(folder))
            return false;
    }
}

/* V8's error for a text that is compiled as a script; null: it compiles. */
function scriptProblem(text) {
    try {
        vm.compileFunction(text, SCRIPT_PARAMETERS);
        return null;
    } catch (problem) {
        return problem;
    }
}

/* Whether a source text is an ECMAScript module, when its name does not tell. */
function readsAsModule(file) {
    const text = fs.readFileSync(file, 'utf8');

    const problem = MAY_BE_MODULE.test(text) ? scriptProblem(text) : null;

    // V8 reports the first thing that no script may have, which need not be one of these.
    return problem !== null && (IS_MODULE.test(problem.message) || HAS_EXPORT.test(text));
}

const withOptions = new WeakSet(); // functions that are called with { signal }

/* The value as a function to call, bound to its owner; undefined: it is not a function. */
function bind(value, owner) {
    if (typeof value !== 'function')
        return undefined;

    const bound = value.bind(owner);

    if (takesOptions(value))
        withOptions.add(bound);
    return bound;
}

/* Follow a path such as "a.b.c" to a function. */
function follow(object, names) {
    let owner;

    for (const name of names) {
        if (object === null || object === undefined)
            return undefined;
        owner = object;
        object = object[name];
    }
    return bind(object, owner);
}

/* "main" is also what a module exports as a whole. */
function bindWhole(whole, names) {
    return names.join('.') === 'main' ? bind(whole) : undefined;
}

/* The text of a function's second parameter; '' when it has none. */
function secondParameter(source) {
    const start = source.indexOf('(') + 1;
    let depth = 0;
    let commas = 0;
    let text = '';

    for (const c of source.slice(start)) {
        if (')]}'.includes(c) && depth-- === 0)
            break;
        depth += '([{'.includes(c) ? 1 : 0;
        if (c === ',' && depth === 0 && ++commas === 2)
            break;
        text += commas === 1 ? c : '';
    }
    return text.slice(1).trim();
}

/* Whether main wants options beside its argument, such as a signal. It has a second parameter
 * then, or one whose default is an object, which `length` does not count. A default of any other
 * kind is for main's own use. */
function takesOptions(main) {
    return main.length > 1 || /^\{|=\s*\{/.test(secondParameter(Function.prototype.toString.call(main)));
}

/* Whether a text can be the name of a variable in source code. */
function isIdentifier(name) {
    try {
        return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) && Boolean(new Function(`let ${name};`));
    } catch (problem) {
        return false;
    }
}

/* Run a script, followed by our own text `look`. If the two together are not a valid script,
 * nothing has run yet: run the script without `look`, and throw its own syntax error if it has
 * one. Its last newline is cut off, so that an error at the end is reported in its last line. */
function run(module, text, look) {
    try {
        module._compile(text + look, module.filename, 'commonjs');
    } catch (problem) {
        if (!(problem instanceof SyntaxError) || scriptProblem(text + look) === null)
            throw problem;
        module._compile(text.trimEnd(), module.filename, 'commonjs');
    }
}

/*
 * Load a CommonJS file and return its functions. If the source exports nothing, its functions are
 * names in the module's scope. `look` is a line behind the source, still in that scope, that finds
 * them. In strict code that line is a syntax error for a name such as `static`, but then the
 * function is in the exports.
 */
function loadScript(file, list) {
    const module = new Module(file, require.main); // scripts ask `!module.parent` whether they are the main program
    const first = module.exports; // a bundle may replace them, while its source adds to these
    const look = list.map(([root], i) => isIdentifier(root)
        ? `\n;module.found[${i}] = typeof ${root} === "undefined" ? undefined : ${root};` : '').join('');
    let text = fs.readFileSync(file, 'utf8').replace(/^\ufeff/, '');

    if (text.startsWith('#!'))
        text = '//' + text;
    module.found = [];
    module.filename = file;
    module.paths = Module._nodeModulePaths(path.dirname(file));
    require.cache[file] = module;
    run(module, text, look);
    module.loaded = true;
    // Compilers turn `export default` into a member of the exports.
    const whole = module.exports && module.exports.__esModule ? module.exports.default : undefined;

    return list.map((names, i) => follow(module.exports, names) || follow(module.found[i], names.slice(1)) ||
        follow(globalThis, names) || bindWhole(module.exports, names) ||
        follow(whole, names) || bindWhole(whole, names) || follow(first, names));
}

async function loadModule(file, list) {
    const exported = await import(pathToFileURL(file));

    return list.map((names) => follow(exported, names) || follow(exported.default, names) ||
        bindWhole(exported.default, names));
}

/* The functions that a file seems to define, for a user who has misspelt one. */
function definedIn(file) {
    const found = fs.readFileSync(file, 'utf8').matchAll(DEFINITION);
    const names = [...new Set(Array.from(found, (one) => one[1] || one[2]))].slice(0, 8);

    return names.length > 0 ? `, which defines: ${names.join(', ')}` : '';
}

/* Enter the action's folder, load it and return its functions. */
async function load(name, main) {
    const given = path.resolve(name);
    const isFolder = fs.existsSync(given) && fs.statSync(given).isDirectory();
    const chosen = isFolder ? chosenBy(main || 'main', given) : null;
    const file = chosen ? chosen.file : isFolder ? entryOf(given) : given;
    const list = chosen ? [chosen.names] : (main || 'main').split(',').map((name) => name.trim().split('.'));
    let found;

    if (!isFile(file))
        throw new Refusal(`Cannot start action: no such file: ${file}`);
    process.chdir(isFolder ? given : path.dirname(file));
    if (process.cwd() !== '/')
        ownFolder = new RegExp(`(?<![\\w./-])(file://)?${process.cwd().replace(/\W/g, '\\$&')}/`, 'g');
    process.argv = [process.argv[0], file]; // the action gets no arguments
    if (isModule(file)) {
        found = await loadModule(file, list);
    } else if (readsAsModule(file)) {
        fs.copyFileSync(file, file + '.mjs'); // Node decides by the name
        found = await loadModule(file + '.mjs', list);
    } else {
        found = loadScript(file, list);
    }
    for (let i = 0; i < list.length; i++) {
        if (!found[i])
            throw new Refusal(`Cannot start action: function '${list[i].join('.')}' was not found in ` +
                              path.basename(file) + definedIn(file));
    }
    return found;
}

/* Start a new Node process for the same action, in its folder, because NODE_OPTIONS may name a
 * module there. Node cannot exec(). So start a child, which has our descriptors, and end as the
 * child does. */
function startAgain(name, main) {
    const given = path.resolve(name);
    const cwd = fs.statSync(given).isDirectory() ? given : path.dirname(given);
    const child = require('child_process').spawnSync(
        process.execPath, [...process.execArgv, __filename, given, main], { cwd, stdio: [0, 1, 2, 3] });

    if (child.signal)
        process.kill(process.pid, child.signal);
    process.exit(child.status === null ? 1 : child.status);
}

/* Read the arguments of load() from an init line, and set the variables in it. */
function readInit(line) {
    let init, changed;

    try {
        init = JSON.parse(line).init;
        fs.statSync(init.path);
        changed = Object.entries(init.env || {}).filter(([name]) => name !== '' && !/[=\0]/.test(name))
            .map(([name, item]) => [name, toText(item)])
            .filter(([name, text]) => process.env[name] !== text);
    } catch (problem) {
        throw new Refusal('cannot use the init line, want {"init":{"path":FOLDER,"main":NAME,' +
                          `"env":{}}}: ${problem}`, true);
    }
    for (const [name, text] of changed)
        process.env[name] = text;
    if (changed.some(([name]) => READ_AT_START.test(name)))
        startAgain(init.path, init.main || 'main');
    Module._initPaths(); // NODE_PATH and HOME
    return [init.path, init.main];
}

// ---- activations ----

/* An error's members other than its text, such as the statusCode of a web action, if JSON can
 * hold them. */
function ownProperties(problem) {
    return Object.fromEntries(Object.entries(problem).filter(([name, item]) => {
        try {
            return !['name', 'message', 'stack'].includes(name) && JSON.stringify(item) !== undefined;
        } catch (other) {
            return false;
        }
    }));
}

let ownFolder = null; // matches the path of the action's folder, which differs at each start

/* The text of an error without the path of the action's folder. */
function withoutFolder(text) {
    return ownFolder === null ? text : text.replace(ownFolder, '');
}

/* A problem as the value of "error". For an error this is its text, or an object with all its
 * members if it was rejected and has members of its own. A thrown object is used as it is. */
function toError(problem, rejected) {
    if (problem instanceof Error) {
        const own = rejected ? ownProperties(problem) : {};

        return Object.keys(own).length === 0 ? withoutFolder(String(problem))
            : { name: problem.name, message: withoutFolder(String(problem.message)),
                stack: withoutFolder(withoutOurs(String(problem.stack))), ...own };
    }
    if (problem === undefined || problem === null)
        return {};
    try {
        const text = JSON.stringify(problem);

        return text === undefined || text === 'null' ? String(problem) : problem;
    } catch (other) {
        return typeof problem === 'bigint' ? String(problem) : String(other);
    }
}

/* A replacer for JSON.stringify(), which would write an error as an object without members. */
function tellErrors(name, item) {
    return item instanceof Error ? toError(item, true) : item;
}

/* Whether an object that a promise was rejected with is in the answer unchanged, like a returned
 * one. Apache's tests want no log of it. */
function isTold(problem) {
    return typeof problem === 'object' && !(problem instanceof Error) && toError(problem) === problem;
}

/* A trace without calls in our own files and without Node's reading of our input. inspect()
 * omits calls that the cause has, too, and adds a line that says so; remove that line as well. */
function withoutOurs(trace) {
    const clean = trace.replace(/\n +at .*?(?= \{$|,?$)/gm, (call) => call.includes(__dirname + path.sep) ? '' : call);

    return clean === trace ? trace : clean.replace(
        /\n +(at Pipe\.onStreamRead \(node:.*?\)|\.\.\. \d+ lines matching cause .*?)(?= \{$|,?$)/gm, '');
}

/* Clean the trace of an error that nobody catches, before Node or the user's listeners get it. */
process.on('uncaughtExceptionMonitor', (problem) => {
    try {
        if (problem instanceof Error && typeof problem.stack === 'string')
            problem.stack = withoutOurs(problem.stack);
    } catch (other) {
        // It is frozen, or its getters are the user's code. Leave it unchanged then.
    }
});

/* Any value, in one line. */
function valueText(value) {
    try {
        return inspect(value, ONE_LINE).replace(/\s*\n\s*/g, ' ');
    } catch (problem) { // inspect() may call the user's code
        return 'that cannot be told as text';
    }
}

/* An error as Node prints it: with its trace, its cause, and other members such as a code. */
function errorText(problem) {
    try {
        return inspect(problem);
    } catch (other) { // inspect() may call the user's code
        return String(problem.stack || problem);
    }
}

function report(problem) {
    if (problem instanceof Error)
        process.stderr.write(`${withoutOurs(errorText(problem))}\n`);
    else
        process.stderr.write(`The function threw a value that is no Error: ${valueText(problem)}\n`);
}

/* Whether the function returned an error, as in `catch (error) { return { error }; }`. */
function hasError(result) {
    return result !== undefined && result !== null && result.error instanceof Error;
}

/* The function's result as a line. */
function toLine(result, replacer = hasError(result) ? tellErrors : null) {
    if (result instanceof Answer)
        return result.line;
    const text = result === undefined ? '{}' : JSON.stringify(result, replacer);

    if (text === undefined)
        throw new TypeError(`The result is a ${typeof result}, which JSON cannot tell.`);
    if (text.length > TEXT_MAX)
        throw new RangeError('The result is too long.');
    return text;
}

/* Never throws: outside of main an exception would end the process, and all activations in it. */
function failureLine(problem, rejected = false) {
    try {
        if (!rejected || !isTold(problem))
            report(problem);
        // Without a prototype, because the user's code may have added toJSON() to all objects.
        return toLine({ __proto__: null, error: toError(problem, rejected) }, tellErrors);
    } catch (other) {
        return '{"error":"The action failed, and its error cannot be told as text."}';
    }
}

/* Answer when the promise of the result is settled. */
async function answerLater(channel, number, answer, waits) {
    let text;

    try {
        text = toLine(await waits);
    } catch (problem) {
        text = failureLine(problem, true);
    }
    channel.parts.delete(number);
    answer(text);
}

/* Answer one line. Returns a promise if the function is not done on return. */
function activate(channel, metadata, main, line) {
    let request, parts, waits, text;
    let number = ++channel.number;
    let answer = (text) => channel.answer(text);

    try {
        if (line === NOT_UTF8)
            throw new SyntaxError('it is not UTF-8');
        request = JSON.parse(line);
    } catch (problem) {
        answer(JSON.stringify({ error: `cannot read the line as JSON: ${problem.message}` }));
        return undefined;
    }
    if (Array.isArray(request) && request.length === 2 && Number.isSafeInteger(request[0])) {
        const head = `[${request[0]},`;

        number = channel.number = request[0];
        answer = (text) => channel.answer(`${head}${text}]`);
        request = request[1];
    }
    request = request === null ? {} : request;
    if (typeof request !== 'object' || Array.isArray(request)) {
        answer('{"error":"cannot use the line: want a JSON object with a value"}');
        return undefined;
    }
    try {
        const value = request.value === undefined || request.value === null ? {} : request.value;
        const chosen = main.choose(request);

        request.value = null; // so that only the function holds the argument

        parts = new Parts(channel.sendsParts ? (line) => answer('+' + line) : null);
        if (channel.cancelled.delete(number))
            parts.cancel();
        waits = metadata.run(request, () => parts.wait(
            withOptions.has(chosen) ? chosen(value, { signal: parts.signal }) : chosen(value)));
    } catch (problem) {
        answer(isMethodNotFound(problem) ? JSON.stringify({ error: problem.message })
            : channel.failed + failureLine(problem));
        return undefined;
    }
    if (waits !== null) {
        channel.parts.set(number, parts);
        return answerLater(channel, number, answer, waits);
    }
    try {
        text = toLine(parts.result);
    } catch (problem) {
        text = failureLine(problem);
    }
    answer(text);
    return undefined;
}

/* An action may throw anything: even asking a revoked proxy for its class throws. */
function isMethodNotFound(problem) {
    try {
        return problem instanceof MethodNotFound;
    } catch (other) {
        return false;
    }
}

/* The functions that an action exposes: one, or those of a list "predict,train". The member
 * `method` of a request chooses. */
class Functions {
    constructor(main, found) {
        this.first = found[0];
        this.named = found.length < 2 ? null
            : new Map(found.map((one, i) => [main.split(',')[i].trim(), one]));
    }

    choose(request) {
        const { method } = request;

        if (this.named === null || method === undefined || method === null)
            return this.first;
        delete request.method;
        if (!this.named.has(method))
            throw new MethodNotFound(`method not found: ${JSON.stringify(method)}; want ` +
                                     [...this.named.keys()].join(', '));
        return this.named.get(method);
    }
}

/* Whether it is a syntax error of an ES module. Its text names no file: Node adds that for
 * uncaught errors. */
function isOfModule(problem) {
    return problem instanceof SyntaxError &&
        /^SyntaxError: .*\n    at .*\(node:internal\/modules\/esm/.test(problem.stack);
}

/* End as if nobody had caught the error: Node prints file, line and text, and exits with 1.
 * Never settles. */
function dieOf(problem) {
    process.removeAllListeners('uncaughtException');
    setImmediate(() => {
        throw problem;
    });
    return new Promise(() => {});
}

/* Load the action, report ready, and answer lines from then on. */
async function serve(channel, arguments_, acknowledge) {
    const many = acknowledge && process.env.__OW_ALLOW_CONCURRENT === 'true';
    const metadata = many ? new MetadataOfMany() : new Metadata();
    let main;

    try {
        main = new Functions(arguments_[1], await load(...arguments_));
        await new Promise(nextTurn); // a rejection that nobody caught ends the process here
    } catch (problem) {
        if (isOfModule(problem))
            return dieOf(problem);
        process.stderr.write(problem instanceof Refusal ? `${problem.message}\n`
            : `${withoutOurs(inspect(problem))}\n`);
        process.exit(1);
    }
    if (acknowledge)
        channel.answer(JSON.stringify({ ok: true, ...(many ? { concurrent: CONCURRENT } : { pipeline: PIPELINE }),
                                        parts: true, control: true }));
    channel.sendsParts = acknowledge;
    channel.most = many ? CONCURRENT : 1;
    channel.failed = acknowledge ? '!' : ''; // in a shell an answer is JSON
    channel.onLine = (line) => activate(channel, metadata, main, line);
}

function start() {
    const arguments_ = process.argv.slice(2);
    const acknowledge = Boolean(process.env.__OW_WAIT_FOR_ACK);

    if (arguments_.length > 2 || (arguments_.length === 0 && !acknowledge)) {
        process.stderr.write(USAGE);
        process.exit(2);
    }
    const channel = new Channel();
    const first = (line) => {
        let toLoad = arguments_;

        try {
            if (line)
                toLoad = readInit(line);
        } catch (problem) {
            process.stderr.write(`${problem.message}\n`);
            channel.answer(JSON.stringify({ ok: false, error: problem.message }));
            process.exit(1);
        }
        openLogs(channel, acknowledge);
        return serve(channel, toLoad, acknowledge);
    };

    if (arguments_.length === 0) {
        channel.start(first, () => process.exit(0));
        return;
    }
    // Read no line before the code is loaded.
    first(null).then(() => channel.start(channel.onLine, () => process.exit(0)));
}

start();
