'use strict';

/*
 * metadata - show an activation's metadata to the user's code as environment variables, for one
 * activation at a time or for many.
 */

const { AsyncLocalStorage } = require('async_hooks');
const { inspect } = require('util');
const JSON = require('./json.js');

/* Keys that are always shown: the platform sends them, or the proxy from a client's headers. */
const PLATFORM = ['namespace', 'action_name', 'action_version', 'activation_id', 'transaction_id',
                  'deadline', 'api_host', 'api_key', 'traceparent', 'tracestate'];

/* Most other keys shown. Setting a variable takes time in proportion to the number of variables. */
const OTHERS_MAX = 256;
const KEY_MAX = 1024; // characters

function keysOf(request) {
    const keys = Object.keys(request);

    return keys.length <= OTHERS_MAX ? keys : [...new Set([
        ...keys.slice(0, OTHERS_MAX), ...PLATFORM.filter((key) => Object.hasOwn(request, key))])];
}

/* A JSON value as the text of a variable. */
function toText(item) {
    return typeof item === 'string' ? item : item === null ? '' : JSON.stringify(item);
}

/* An activation's metadata as variables: a map of __OW_KEY to text. */
function variablesOf(request) {
    const variables = new Map();

    for (const key of keysOf(request)) {
        if (key.length > KEY_MAX)
            continue;
        const name = '__OW_' + key.toUpperCase();
        const text = toText(request[key]);

        if (key !== 'value' && !/[=\0]/.test(name) && !text.includes('\0'))
            variables.set(name, text);
    }
    return variables;
}

/* The metadata of one activation. The variables are made only when somebody asks for one. */
class Variables {
    constructor(request) {
        this.request = request;
        this.map = null;
    }

    all() {
        if (this.map === null) {
            this.map = variablesOf(this.request);
            this.request = null;
        }
        return this.map;
    }
}

const NONE = new Map();

/*
 * Replace process.env by an object that shows the variables of the activation that asks, before all
 * others. variables() returns a map, which the user's code may change. The process's own
 * environment stays as it is, because the C library never frees a text that was set there. Child
 * processes inherit what the object shows.
 */
function showInEnvironment(variables) {
    const first = process.env;
    let all = first; // what activations share
    const mine = (name) => variables().has(name) ? variables() : undefined;
    const set = (name, value) =>
        mine(name) ? Boolean(mine(name).set(name, String(value))) : Reflect.set(all, name, value);
    // The target is an empty object, because what is shown changes. console.log() looks at the
    // target only.
    const shown = new Proxy(Object.create(Object.getPrototypeOf(all), {
        [inspect.custom]: { configurable: true, value: (depth, options) => inspect({ ...shown }, options) },
    }), {
        get: (target, name) => mine(name) ? mine(name).get(name) : all[name],
        has: (target, name) => Boolean(mine(name)) || name in all,
        set: (target, name, value) => set(name, value),
        defineProperty: (target, name, wanted) => 'value' in wanted && set(name, wanted.value),
        deleteProperty: (target, name) => mine(name) ? mine(name).delete(name) : delete all[name],
        ownKeys: () => [...new Set([...Object.keys(all), ...variables().keys()])],
        getOwnPropertyDescriptor: (target, name) => mine(name) || Object.hasOwn(all, name)
            ? { value: shown[name], writable: true, enumerable: true, configurable: true }
            : undefined,
        preventExtensions: () => false,
    });
    /* The user's code assigns a changed copy to process.env. The activation's own variables stay
     * its own. */
    const replace = (wanted) => {
        const entries = Object.entries(wanted);

        all = wanted === shown ? first : Object.fromEntries(entries.filter(([name]) => !mine(name)));
        [...variables().keys()].filter((name) => !Object.hasOwn(wanted, name))
            .forEach((name) => variables().delete(name));
        entries.filter(([name]) => mine(name)).forEach(([name, value]) => set(name, value));
    };

    Object.defineProperty(process, 'env',
                          { configurable: true, enumerable: true, get: () => shown, set: replace });
}

/* One activation at a time. */
class Metadata {
    constructor() {
        this.variables = null;
        showInEnvironment(() => this.variables === null ? NONE : this.variables.all());
    }

    run(request, work) {
        this.variables = new Variables(request);
        return work();
    }
}

/* Many at a time: each activation, with all that it calls and awaits, sees its own. */
class MetadataOfMany {
    constructor() {
        this.own = new AsyncLocalStorage();
        showInEnvironment(() => {
            const variables = this.own.getStore();

            return variables === undefined ? NONE : variables.all();
        });
    }

    run(request, work) {
        return this.own.run(new Variables(request), work);
    }
}

module.exports = { Metadata, MetadataOfMany, toText };
