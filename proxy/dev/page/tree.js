/*
 * tree - show a JSON value so that its parts can be folded. The elements of a part are made when it
 * is opened, those of a long part piece by piece: a large value costs only what is seen of it.
 */

import { Num } from './json.js';
import { counted, make, quote } from './text.js';

const OPEN_MEMBERS = 300; // members shown at first, the outer ones before the inner
const PAGE_MEMBERS = 200; // members of one list or object that are shown at a time
const PAGE_CHARS = 5000; // characters of one string that are shown at a time

export function showTree(element, value) {
	element.replaceChildren(entry(undefined, value, openAtFirst(value), ''));
}

/* The lists and objects to open: level by level, while there is room. */
function openAtFirst(root) {
	const open = new Set();
	let room = OPEN_MEMBERS;
	for (let level = [root]; level.length > 0;) {
		const next = [];
		for (const value of level.filter((each) => each?.values)) {
			room -= Math.min(value.values.length, PAGE_MEMBERS);
			if (room < 0 && open.size > 0)
				return open;
			open.add(value);
			next.push(...value.values.slice(0, PAGE_MEMBERS));
		}
		level = next;
	}
	return open;
}

function entry(key, value, open, comma) {
	const label = key === undefined ? [] : [make('span', { className: 'json-key' }, quote(key)), ': '];
	const n = value?.values?.length ?? 0;
	if (n === 0)
		return make('div', { className: 'entry' }, ...label, leaf(value), comma);
	const [left, right, what] = value.keys ? ['{', '}', 'key'] : ['[', ']', 'item'];
	const count = make('span', { className: 'count' }, `${counted(n)} ${what}${n === 1 ? '' : 's'}`);
	const body = make('div', { className: 'members' });
	const details = make('details', { className: 'entry', open: open.has(value) },
		make('summary', {}, ...label, left, count, make('span', { className: 'folded' }, right, comma)),
		body,
		make('div', {}, right, comma));
	const fill = () => {
		if (details.open && !body.firstChild)
			members(body, value, open, 0);
	};
	fill();
	details.addEventListener('toggle', fill);
	return details;
}

function more(left, what, onClick) {
	const button = make('button', { className: 'more', type: 'button' }, `Show more: ${counted(left)} ${what} left`);
	button.addEventListener('click', () => onClick(button));
	return button;
}

function members(body, { keys, values }, open, from) {
	const to = Math.min(values.length, from + PAGE_MEMBERS);
	for (let i = from; i < to; i++)
		body.append(entry(keys?.[i], values[i], open, i + 1 < values.length ? ',' : ''));
	if (to < values.length) {
		body.append(more(values.length - to, 'members', (button) => {
			button.remove();
			members(body, { keys, values }, open, to);
			body.lastChild.focus();
		}));
	}
}

function leaf(value) {
	if (typeof value === 'string') {
		const span = make('span', { className: 'json-string' }, '"');
		piece(span, value, 0);
		return span;
	}
	if (value instanceof Num)
		return make('span', { className: 'json-number' }, value.text);
	return value?.values ? (value.keys ? '{}' : '[]') : make('span', { className: 'json-word' }, String(value));
}

function piece(span, value, from) {
	const to = from + PAGE_CHARS;
	span.append(quote(value.slice(from, to)).slice(1, -1));
	span.append(to >= value.length ? '"' : more(value.length - to, 'characters', (button) => {
		button.remove();
		piece(span, value, to);
		span.lastChild.focus?.();
	}));
}
