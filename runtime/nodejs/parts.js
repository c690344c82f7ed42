'use strict';

/*
 * parts - send what an iterator yields to the proxy, one part at a time. In a shell keep the parts
 * for a list. Source: ../README.md, Answers in parts.
 */

const JSON = require('./json.js');

const LIST_MAX = 64 << 20; // most characters of parts that are kept
const TURN_MS = 2; // after this time let the event loop run: a control line may be waiting

/* An answer that is already a line. */
class Answer {
    constructor(line) {
        this.line = line;
    }
}

function isParts(result) {
    return result !== null && typeof result === 'object' && (typeof result[Symbol.asyncIterator] === 'function' ||
        (typeof result[Symbol.iterator] === 'function' && typeof result.next === 'function'));
}

/* The parts of one activation. */
class Parts {
    /* send(line): sends a part to the proxy; null: there is no proxy. */
    constructor(send) {
        this.send = send;
        this.kept = [];
        this.nKept = 0;
        this.turnAt = 0;
        this.controller = null; // made on demand: most activations do not use it
        this.isCancelled = false;
        this.waits = null; // a promise while the activation is paused
        this.goOn = null;
        this.result = undefined;
    }

    get signal() {
        if (this.controller === null) {
            this.controller = new AbortController();
            if (this.isCancelled)
                this.abort();
        }
        return this.controller.signal;
    }

    /* ---- control lines ---- */

    cancel() {
        this.isCancelled = true;
        this.resume();
        if (this.controller)
            this.abort();
    }

    abort() {
        this.controller.abort(new Error('the client has left'));
    }

    pause() {
        this.waits = this.waits || new Promise((resolve) => { this.goOn = resolve; });
    }

    resume() {
        if (this.goOn)
            this.goOn();
        this.waits = this.goOn = null;
    }

    /* ---- the result ---- */

    /* A promise of the answer to a function's result; null: this.result is the answer. Nobody else
     * may look at the result's `then`: it may be a getter that throws the next time. */
    wait(result) {
        if (isParts(result))
            return this.drain(result);
        if (result && typeof result.then === 'function')
            return this.settle(result);
        this.result = result;
        return null;
    }

    async settle(result) {
        const settled = await result;

        return isParts(settled) ? this.drain(settled) : settled;
    }

    async drain(iterable) {
        const iterator = iterable[Symbol.asyncIterator] ? iterable[Symbol.asyncIterator]() : iterable;
        let ended = false;

        try {
            for (;;) {
                const { done, value } = await iterator.next();

                if (done) {
                    ended = true;
                    return value === undefined ? this.end() : value;
                }
                this.add(await value);
                await this.turn();
                if (this.isCancelled)
                    return new Answer('{"error":"the client has left"}');
            }
        } finally {
            if (!ended && iterator.return)
                await iterator.return();
        }
    }

    add(part) {
        const line = JSON.stringify(part);

        if (line === undefined)
            throw new TypeError(`A part is a ${typeof part}, which JSON cannot tell.`);
        if (this.send !== null) {
            this.send(line);
            return;
        }
        this.nKept += line.length;
        if (this.nKept <= LIST_MAX)
            this.kept.push(line);
    }

    async turn() {
        const now = performance.now();

        if (now - this.turnAt > TURN_MS) {
            await new Promise(setImmediate);
            this.turnAt = performance.now();
        }
        if (this.waits)
            await this.waits;
    }

    end() {
        if (this.send !== null)
            return new Answer('+');
        if (this.nKept > LIST_MAX)
            throw new RangeError(`A list of the parts is longer than ${LIST_MAX} characters.`);
        return new Answer(`[${this.kept.join(',')}]`);
    }
}

module.exports = { Parts, Answer };
