/*
 * log - lines in a box that scrolls: a bounded number, with elements only for those in sight.
 */

import { appendAnsi, clock, counted, make, short, withoutAnsi } from './text.js';

const LINES_MAX = 20000;
const CHARS_MAX = 8e6;
const SPARE = 1.25; // drop lines at so many times a bound: to drop many at once is cheaper
const SHOWN_CHARS = 2000; // most characters shown of a line
const HEIGHT = 18; // height of a row in pixels, as in page.css
const AROUND = 8; // rows drawn above and below those in sight

export class Log {
	lines = []; // {seq, activation, stream, text, time}
	shown = this.lines; // lines that pass the filter; without a filter, the array `lines` itself
	pass = null; // the filter: a function of a line; null: none
	seq = 0; // number of the next line
	chars = 0; // characters of all lines
	gone = 0; // shown lines dropped since the last render()
	follow = true; // scroll to the end when lines come
	rows = new Map(); // seq -> element
	space = make('div', { className: 'log-space' });

	/* box: the element that scrolls. onDraw(): called after each drawing. */
	constructor(box, onDraw) {
		Object.assign(this, { box, onDraw });
		box.replaceChildren(this.space);
		box.addEventListener('scroll', () => {
			this.follow = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
			this.draw();
		}, { passive: true });
		new ResizeObserver(() => this.draw()).observe(box);
	}

	note(text) {
		this.append([{ stream: 'note', text, time: Date.now(), activation: null }]);
	}

	append(lines) {
		for (const line of lines) {
			line.seq = this.seq++;
			this.chars += line.text.length;
			this.lines.push(line);
			if (this.pass?.(line))
				this.shown.push(line);
		}
		if (this.lines.length > LINES_MAX * SPARE || this.chars > CHARS_MAX * SPARE)
			this.drop();
		this.draw();
	}

	/* Forget the oldest lines, down to the bounds. */
	drop() {
		let n = 0;
		while (n < this.lines.length - 1 && (this.lines.length - n > LINES_MAX || this.chars > CHARS_MAX))
			this.chars -= this.lines[n++].text.length;
		const first = this.lines[n].seq;
		const kept = this.shown.findIndex((line) => line.seq >= first);
		const gone = kept < 0 ? this.shown.length : kept;
		this.lines.splice(0, n);
		if (this.shown !== this.lines)
			this.shown.splice(0, gone);
		this.gone += gone;
	}

	/* Show only the lines for which pass(line) is true; null: all. */
	filter(pass) {
		this.pass = pass;
		this.shown = pass ? this.lines.filter(pass) : this.lines;
		this.toEnd();
	}

	clear() {
		this.lines = [];
		this.chars = 0;
		this.filter(this.pass);
	}

	toEnd() {
		this.follow = true;
		this.draw();
	}

	text() {
		return this.shown.map((line) => `${withoutAnsi(line.text)}\n`).join('');
	}

	draw() {
		this.due ??= requestAnimationFrame(() => {
			this.due = null;
			this.render();
		});
	}

	render() {
		const { box, rows, shown } = this;
		if (box.clientHeight === 0)
			return;
		this.space.style.height = `${shown.length * HEIGHT}px`;
		if (this.follow) {
			box.scrollTop = shown.length * HEIGHT;
		} else if (this.gone) {
			box.scrollTop -= this.gone * HEIGHT;
		}
		this.gone = 0;
		const from = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - AROUND);
		const to = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / HEIGHT) + AROUND);
		const wanted = new Set();
		for (let i = from; i < to; i++) {
			const { seq } = shown[i];
			wanted.add(seq);
			if (!rows.has(seq)) {
				rows.set(seq, this.row(shown[i]));
				this.space.append(rows.get(seq));
			}
			rows.get(seq).style.top = `${i * HEIGHT}px`;
		}
		for (const [seq, row] of rows) {
			if (!wanted.has(seq)) {
				row.remove();
				rows.delete(seq);
			}
		}
		this.onDraw?.();
	}

	row({ activation, stream, text, time }) {
		const shown = make('span');
		appendAnsi(shown, text.slice(0, SHOWN_CHARS));
		if (text.length > SHOWN_CHARS)
			shown.append(make('span', { className: 'cut' }, ` … ${counted(text.length - SHOWN_CHARS)} more characters`));
		const id = make('span', { className: 'id' }, short(activation));
		id.dataset.id = activation ?? '';
		return make('div', { className: `line ${stream}` },
			make('span', { className: 'time' }, clock(time)), id,
			make('span', { className: 'stream' }, { stdout: 'out', stderr: 'err' }[stream] ?? ''), shown);
	}
}
