/* text - show what an action wrote without letting it do harm, write numbers, make elements. */

export const $ = (id) => document.getElementById(id);

/* An element: make('p', {className: 'x'}, 'text', child). */
export function make(name, properties = {}, ...children) {
	const element = Object.assign(document.createElement(name), properties);
	element.append(...children);
	return element;
}

/* Characters that cannot be seen: controls, separators and format marks, such as those that turn
 * the direction of text around. Not tabs, nor what joins the parts of an emoji. */
const HIDDEN = /(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const hex = (n) => n.toString(16).padStart(4, '0');

/* Append text to an element; each hidden character becomes its code in a mark of its own. */
export function appendText(element, text) {
	let from = 0;
	for (const { 0: c, index } of text.matchAll(HIDDEN)) {
		element.append(text.slice(from, index), make('span', { className: 'hidden-char' }, `U+${hex(c.codePointAt(0)).toUpperCase()}`));
		from = index + c.length;
	}
	element.append(text.slice(from));
}

/* A string as JSON, with escapes for what cannot be seen. */
export const quote = (text) => JSON.stringify(text).replace(HIDDEN, (c) => c.replace(/./gs, (unit) => `\\u${hex(unit.charCodeAt(0))}`));

const ESCAPE = /\u001b\[([\d;:]*)([@-~])|\u001b\[[^@-~]*[@-~]?|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[()][\dA-Z]|\u001b[=>78cDEHM]/g;

/* Append text with its ANSI colours and styles; other escapes are left out. */
export function appendAnsi(element, text) {
	let from = 0;
	let look = {};
	const put = (to) => {
		const span = make('span');
		for (const [key, value] of Object.entries(look))
			span.style[key] = value;
		appendText(span, text.slice(from, to));
		element.append(span);
	};
	for (const { 0: all, 1: codes, 2: kind, index } of text.matchAll(ESCAPE)) {
		put(index);
		from = index + all.length;
		if (kind === 'm')
			look = change(look, codes.split(/[;:]/).map(Number));
	}
	put(text.length);
}

const STYLES = { 1: ['fontWeight', 'bold'], 2: ['opacity', 0.75], 3: ['fontStyle', 'italic'], 4: ['textDecoration', 'underline'], 7: ['background', 'var(--line)'], 9: ['textDecoration', 'line-through'] };
const OFF = { 22: [1, 2], 23: [3], 24: [4], 27: [7], 29: [9] };
// variables of page.css that stand for the terminal's colours 0 to 8
const NAMED = ['text', 'bad', 'good', 'warn', 'number', 'key', 'string', 'text', 'dim'];

const named = (n) => `var(--${NAMED[n === 8 ? n : n % 8]})`;
const onto = (colour) => `color-mix(in srgb, ${colour} 18%, transparent)`;

/* The style after an escape with these codes. old: the style before it. */
function change(old, codes) {
	let look = { ...old };
	for (let i = 0; i < codes.length; i++) {
		const n = codes[i];
		const tens = Math.floor(n / 10);
		if (n === 0) {
			look = {};
		} else if (STYLES[n]) {
			look[STYLES[n][0]] = STYLES[n][1];
		} else if (OFF[n]) {
			OFF[n].forEach((each) => delete look[STYLES[each][0]]);
		} else if (n === 39 || n === 49) {
			delete look[n === 39 ? 'color' : 'background'];
		} else if ([3, 4, 9, 10].includes(tens)) {
			let colour = named((n % 10) + (tens > 4 ? 8 : 0));
			if (n % 10 === 8) {
				colour = codes[i + 1] === 5 ? palette(codes[i + 2]) : `rgb(${codes.slice(i + 2, i + 5).map((v) => v & 255)})`;
				i += codes[i + 1] === 5 ? 2 : 4;
			}
			if (tens % 2 === 1) {
				look.color = colour;
			} else {
				look.background = onto(colour);
			}
		}
	}
	return look;
}

/* Colour n of a terminal's 256. */
function palette(n) {
	if (!(n >= 16))
		return named(n || 0);
	if (n >= 232)
		return `rgb(${Array(3).fill(8 + 10 * (Math.min(n, 255) - 232))})`;
	const level = (v) => (v < 1 ? 0 : 55 + 40 * Math.floor(v));
	return `rgb(${[(n - 16) / 36, ((n - 16) / 6) % 6, (n - 16) % 6].map(level)})`;
}

/* Append a text of several lines. */
export function appendLines(element, text) {
	text.split('\n').forEach((line, i) => {
		element.append(i ? '\n' : '');
		appendAnsi(element, line);
	});
}

/* The text without its escapes, for the clipboard. */
export const withoutAnsi = (text) => text.replace(ESCAPE, '');

const scaled = (value) => value.toFixed(value < 9.95 ? 1 : 0);

export function bytes(n) {
	if (typeof n !== 'number')
		return '';
	return n < 1000 ? `${n} B` : n < 1e6 ? `${scaled(n / 1e3)} kB` : `${scaled(n / 1e6)} MB`;
}

export function duration(us) {
	if (typeof us !== 'number')
		return '';
	return us < 1000 ? `${Math.round(us)} µs` : us < 1e6 ? `${scaled(us / 1e3)} ms` : `${scaled(us / 1e6)} s`;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
export const clock = (ms) => CLOCK.format(ms);
export const short = (id) => (id ?? '').slice(0, 7);
export const counted = (n) => n.toLocaleString('en');
