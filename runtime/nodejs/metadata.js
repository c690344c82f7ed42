'use strict';

/*
 * metadata - show the user's code what came with its activation as variables of the environment:
 * one activation at a time, or many side by side.
 */

const { AsyncLocalStorage } = require('async_hooks');
const { inspect } = require('util');

/* Keys that the platform, or the proxy from a client's headers, sends: these are always shown. */
const PLATFORM = ['namespace', 'action_name', 'action_version', 'activation_id', 'transaction_id',
                  'deadline', 'api_host', 'api_key', 'traceparent', 'tracestate'];

/* And at most so many others: to set a variable takes time in proportion to those that are there. */
const OTHERS_MAX = 256;
const KEY_MAX = 1024; // characters

function keysOf(request) {
    const keys = Object.keys(request);

    return keys.length <= OTHERS_MAX ? keys : [...new Set([
        ...keys.slice(0, OTHERS_MAX), ...PLATFORM.filter((key) => Object.hasOwn(request, key))])];
}

/* What came with an activation, as variables: a map of __OW_KEY to text. */
function variablesOf(request) {
    const variables = new Map();

    for (const key of keysOf(request)) {
        if (key.length > KEY_MAX)
            continue;
        const name = '__OW_' + key.toUpperCase();
        const item = request[key];
        const text = typeof item === 'string' ? item : item === null ? '' : JSON.stringify(item);

        if (key !== 'value' && !/[=\0]/.test(name) && !text.includes('\0'))
            variables.set(name, text);
    }
    return variables;
}

/* Shows them to the user's code in the environment of the process, one activation at a time. */
class Metadata {
    constructor() {
        this.before = new Map(); // variable -> what it was before activations set it, or undefined
        this.shown = new Map(); // variable -> text
    }

    run(request, work) {
        this.show(variablesOf(request));
        return work();
    }

    show(wanted) {
        for (const name of this.shown.keys()) {
            if (!wanted.has(name)) {
                this.restore(name);
                this.before.delete(name);
            }
        }
        for (const [name, text] of wanted) {
            if (!this.before.has(name))
                this.before.set(name, process.env[name]);
            if (process.env[name] !== text)
                process.env[name] = text;
        }
        this.shown = wanted;
    }

    restore(name) {
        const before = this.before.get(name);

        if (before === undefined)
            delete process.env[name];
        else
            process.env[name] = before;
    }
}

/*
 * The same for many activations at a time: process.env looks different to each of them, and to all
 * that it calls and waits for. What it passes on to a child process is its own, too.
 */
class MetadataOfMany {
    constructor() {
        const own = new AsyncLocalStorage(), first = process.env;
        let all = first; // what they share
        const store = () => own.getStore() || new Map();
        const mine = (name) => store().has(name) ? store() : undefined;
        const set = (name, value) =>
            mine(name) ? Boolean(mine(name).set(name, String(value))) : Reflect.set(all, name, value);
        // Its target is not what it shows, which can change. console.log() looks at the target only.
        const shown = new Proxy(Object.create(Object.getPrototypeOf(all), {
            [inspect.custom]: { configurable: true, value: (depth, options) => inspect({ ...shown }, options) },
        }), {
            get: (target, name) => mine(name) ? mine(name).get(name) : all[name],
            has: (target, name) => Boolean(mine(name)) || name in all,
            set: (target, name, value) => set(name, value),
            defineProperty: (target, name, wanted) => 'value' in wanted && set(name, wanted.value),
            deleteProperty: (target, name) => mine(name) ? mine(name).delete(name) : delete all[name],
            ownKeys: () => [...new Set([...Object.keys(all), ...store().keys()])],
            getOwnPropertyDescriptor: (target, name) => mine(name) || Object.hasOwn(all, name)
                ? { value: shown[name], writable: true, enumerable: true, configurable: true }
                : undefined,
            preventExtensions: () => false,
        });
        /* Somebody puts a changed copy in its place: of that, what is his own stays his own. */
        const replace = (wanted) => {
            const entries = Object.entries(wanted);

            all = wanted === shown ? first : Object.fromEntries(entries.filter(([name]) => !mine(name)));
            [...store().keys()].filter((name) => !Object.hasOwn(wanted, name))
                .forEach((name) => store().delete(name));
            entries.filter(([name]) => mine(name)).forEach(([name, value]) => set(name, value));
        };

        this.own = own;
        Object.defineProperty(process, 'env',
                              { configurable: true, enumerable: true, get: () => shown, set: replace });
    }

    run(request, work) {
        return this.own.run(variablesOf(request), work);
    }
}

module.exports = { Metadata, MetadataOfMany };
