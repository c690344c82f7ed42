/*
 * json - read and write JSON without changing it, and say where it is wrong.
 *
 * Unlike with JSON.parse() a number keeps its digits, and an object its order and all its keys. A
 * value is null, true, false, a string, or one of the classes below.
 */

import { quote } from './text.js';

const DEPTH_MAX = 500; // deeper text is refused: format() and tree.js recurse

export class Num {
	constructor(text) {
		this.text = text;
	}
}

class List {
	values = [];
}

class Obj {
	keys = [];
	values = [];

	get(key) {
		return this.values[this.keys.lastIndexOf(key)];
	}
}

/* offset: where the mistake is, in characters from the start of the text. */
export const jsonError = (message, offset) => Object.assign(new Error(message), { offset });

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])/y;
const WORD = /[\w$.+-]+/y;
const WORDS = { true: true, false: false, null: null };
const SPECIAL = /[\\\u0000-\u001f]/;

class Reader {
	at = 0;

	constructor(text) {
		this.text = text;
	}

	fail(message, offset = this.at) {
		throw jsonError(message, offset);
	}

	match(pattern) {
		const start = pattern.lastIndex = this.at;
		if (pattern.test(this.text)) {
			this.at = pattern.lastIndex;
			return this.text.slice(start, this.at);
		}
		return undefined;
	}

	/* The next character that is no white space, '' at the end. */
	peek() {
		let c;
		while ((c = this.text[this.at]) === ' ' || c === '\n' || c === '\r' || c === '\t')
			this.at++;
		return c ?? '';
	}

	value(depth) {
		const c = this.peek();
		if (depth > DEPTH_MAX)
			this.fail(`More than ${DEPTH_MAX} values inside one another`);
		if (c === '"')
			return this.string();
		if (c === '{')
			return this.members(new Obj(), '}', depth + 1);
		if (c === '[')
			return this.members(new List(), ']', depth + 1);
		const number = this.match(NUMBER);
		if (number !== undefined)
			return new Num(number);
		const start = this.at;
		const word = this.match(WORD);
		if (Object.hasOwn(WORDS, word))
			return WORDS[word];
		const right = { True: 'true', False: 'false', None: 'null' }[word];
		if (right)
			this.fail(`${word} is written ${right} in JSON`, start);
		return this.fail(c === '' ? 'A value is missing at the end' : `A value is expected, not ${word ?? c}: strings stand in double quotes`, start);
	}

	string() {
		const { text, at: start } = this;
		let end = start;
		let slashes;
		do {
			end = text.indexOf('"', end + 1);
			for (slashes = 0; text[end - 1 - slashes] === '\\';)
				slashes++;
		} while (slashes % 2 === 1);
		const body = end < 0 ? '' : text.slice(start, end + 1);
		this.at = end + 1;
		if (end > 0 && !SPECIAL.test(body))
			return body.slice(1, -1);
		try {
			return JSON.parse(body);
		} catch {
			return this.fail(end < 0 || body.includes('\n') ? 'The string has no closing quote' : 'The string has a wrong escape or a control character', start);
		}
	}

	/* The members of a list or object, and its closing bracket. */
	members(value, close, depth) {
		this.at++;
		while (this.peek() !== close) {
			if (value.keys) {
				if (this.peek() !== '"')
					this.fail('A name in double quotes is expected');
				value.keys.push(this.string());
				if (this.peek() !== ':')
					this.fail('A colon is expected after the name');
				this.at++;
			}
			value.values.push(this.value(depth));
			const c = this.peek();
			if (c === close)
				break;
			if (c !== ',')
				this.fail(c === '' ? `The closing ${close} is missing` : `A comma or ${close} is expected`);
			const comma = this.at++;
			if (this.peek() === close)
				this.fail(`A comma has nothing between it and ${close}`, comma);
		}
		this.at++;
		return value;
	}
}

/* The value of a text; throws a jsonError(). */
export function parse(text) {
	const reader = new Reader(text);
	const value = reader.value(0);
	if (reader.peek() !== '')
		reader.fail('More text follows the value');
	return value;
}

/* The text of a value; indent: spaces a level, 0 for one line. */
export function format(value, indent = 2, newline = '\n') {
	if (value instanceof Num)
		return value.text;
	if (!value?.values)
		return typeof value === 'string' ? quote(value) : String(value);
	const { keys, values } = value;
	const inner = indent ? newline + ' '.repeat(indent) : '';
	let text = keys ? '{' : '[';
	for (let i = 0; i < values.length; i++) {
		text += (i ? ',' : '') + inner;
		if (keys)
			text += quote(keys[i]) + (indent ? ': ' : ':');
		text += format(values[i], indent, inner);
	}
	return text + (indent && values.length ? newline : '') + (keys ? '}' : ']');
}

/* The value as JSON.parse() gives it. Not for an action's values: JSON.parse() changes some. */
export const plain = (value) => JSON.parse(format(value ?? null, 0));
