/*
 * editor - the argument: a text area over a coloured copy of its text, with its first mistake
 * marked.
 */

import { jsonError, format, parse } from './json.js';
import { $, make } from './text.js';

const PAINT_MAX = 50000; // characters; the colours of longer text would slow typing
const TOKEN = /("(?:[^"\\\n]|\\.)*"?)(?=\s*(:)?)|(-?\d[\d.eE+-]*)|(true|false|null)|[^"\dtfn-]+|./g;

export class Editor {
	area = $('argument');
	mistake = ''; // text that tells the first mistake; '': there is none

	/* onChange(): called when the text has changed. */
	constructor(onChange) {
		this.onChange = onChange;
		this.area.addEventListener('input', () => this.check());
		this.area.addEventListener('scroll', () => this.align(), { passive: true });
	}

	get text() {
		return this.area.value;
	}

	set text(text) {
		this.area.value = text;
		this.area.scrollTop = 0;
		this.check();
	}

	check() {
		const { text } = this;
		let at = -1;
		this.mistake = '';
		try {
			this.value = parse(text.trim() === '' ? '{}' : text);
			if (!this.value?.values)
				throw jsonError('The argument of an action is an object {…} or a list […]', text.search(/\S/));
		} catch (error) {
			at = error.offset;
			const before = text.slice(0, at).split('\n');
			this.mistake = `Line ${before.length}, column ${before.at(-1).length + 1}: ${error.message}`;
		}
		this.area.ariaInvalid = String(at >= 0);
		$('syntax').textContent = this.mistake;
		const painted = text.length <= PAINT_MAX;
		$('editor').classList.toggle('painted', painted);
		$('paint').replaceChildren(...(painted ? tokens(text, Math.min(at, text.length - 1)) : []));
		this.align();
		this.onChange();
	}

	/* The argument as JSON on one line; null: the text has a mistake. */
	argument() {
		return this.mistake ? null : format(this.value, 0);
	}

	pretty() {
		if (!this.mistake)
			this.text = format(this.value);
	}

	align() {
		$('paint').style.transform = `translate(${-this.area.scrollLeft}px, ${-this.area.scrollTop}px)`;
	}
}

/* The pieces of a text, coloured. bad: offset of the first mistake; -1: there is none. */
function tokens(text, bad) {
	return [...text.matchAll(TOKEN)].flatMap(({ 0: all, 1: string, 2: colon, 3: number, 4: word, index }) => {
		const className = string ? (colon ? 'json-key' : 'json-string') : number ? 'json-number' : word ? 'json-word' : '';
		const at = bad - index;
		if (bad < 0 || at < 0 || at >= all.length)
			return className ? make('span', { className }, all) : all;
		const end = string ? all.length : at + 1;
		return [all.slice(0, at), make('span', { className: 'mistake' }, all.slice(at, end)), all.slice(end)];
	});
}
