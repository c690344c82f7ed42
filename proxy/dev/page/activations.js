/*
 * activations - the last activations as a list, and their durations as a chart. Both are drawn at
 * most every DRAW_MS, however many activations come.
 */

import { bytes, clock, counted, duration, make, short } from './text.js';

const KEPT = 1000; // most activations remembered
const ROWS = 100; // most rows in the list
const DRAW_MS = 100;
const NEW_MAX = 2; // most rows added at a time while the pointer or the focus is in the list
const HEIGHT = 56; // height of the chart in pixels, as in page.css
const LEGEND = 44; // width of the chart's legend in pixels
const BAR = 6; // width of a bar in pixels, with the gap behind it

function svg(name, attributes, ...children) {
	const element = document.createElementNS('http://www.w3.org/2000/svg', name);
	Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
	element.append(...children);
	return element;
}

export class Activations {
	byId = new Map(); // id -> activation, oldest first
	rows = new Map(); // id -> element
	total = 0; // number of activations ever, forgotten ones too
	drawn = 0; // value of `total` when rows were last added

	/* list: an <ol>; chart: an <svg>; summary, empty: elements for a line of text; onSelect(id). */
	constructor(parts) {
		Object.assign(this, parts);
		for (const part of [this.list, this.chart]) {
			part.addEventListener('click', ({ target }) => {
				const { id } = target.closest('[data-id]')?.dataset ?? {};
				if (id)
					this.onSelect(id);
			});
		}
		new ResizeObserver(() => this.draw()).observe(this.list);
	}

	update(activation) {
		const known = this.byId.get(activation.id);
		this.byId.set(activation.id, Object.assign(known ?? {}, activation));
		if (!known) {
			this.total++;
			if (this.byId.size > KEPT)
				this.byId.delete(this.byId.keys().next().value);
		}
		this.draw();
	}

	clear() {
		this.byId.clear();
		this.total = 0;
		this.draw();
	}

	select(id) {
		this.selected = id;
		this.draw();
	}

	draw() {
		this.due ??= setTimeout(() => requestAnimationFrame(() => {
			this.due = null;
			this.render();
		}), DRAW_MS);
	}

	render() {
		const all = [...this.byId.values()];
		const last = all.slice(-ROWS).reverse();
		this.summary.textContent = this.describe(all);
		this.empty.hidden = all.length > 0;
		this.drawChart(all);
		if (this.rows.size > 0 && this.total - this.drawn > NEW_MAX && this.list.matches(':hover, :focus-within')) {
			this.draw();
		} else {
			this.drawRows(last);
		}
		for (const activation of last)
			this.fill(this.rows.get(activation.id), activation);
	}

	/* Rows that stay are not moved, so that they keep the focus. */
	drawRows(last) {
		this.drawn = this.total;
		const wanted = new Set(last.map(({ id }) => id));
		for (const [id, row] of this.rows) {
			if (!wanted.has(id)) {
				row.parentElement.remove();
				this.rows.delete(id);
			}
		}
		let at = this.list.firstElementChild;
		for (const { id } of last) {
			if (this.rows.has(id)) {
				at = at?.nextElementSibling ?? null;
			} else {
				const row = make('button', { type: 'button' });
				row.dataset.id = id;
				this.rows.set(id, row);
				this.list.insertBefore(make('li', {}, row), at);
			}
		}
	}

	fill(row, { id, status, version, started, duration_us, first_part_us, answer_bytes }) {
		const pressed = String(id === this.selected);
		const state = `${status} ${duration_us} ${first_part_us} ${pressed}`;
		if (!row || row.dataset.state === state)
			return;
		row.ariaPressed = pressed;
		row.dataset.state = state;
		row.className = `activation ${status}`;
		const cells = { dot: '', time: clock(started), id: short(id), version: `v${version}`, status: first_part_us === undefined ? status : `${status}, first part ${duration(first_part_us)}`, size: bytes(answer_bytes), duration: duration(duration_us) };
		row.replaceChildren(...Object.entries(cells).map(([className, text]) => make('span', { className }, text)));
	}

	describe(all) {
		const times = all.map((each) => each.duration_us).filter(Number.isFinite).sort((a, b) => a - b);
		const failed = all.filter(({ status }) => !/ok|running/.test(status)).length;
		return times.length === 0 ? '' : `${counted(this.total)} · median ${duration(times[times.length >> 1])} · slowest ${duration(times.at(-1))}` +
			(failed ? ` · ${counted(failed)} failed` : '');
	}

	/* A bar for each activation, on a logarithmic scale. */
	drawChart(all) {
		const width = this.list.clientWidth - 24;
		const last = all.slice(-Math.floor((width - LEGEND) / BAR));
		this.chart.toggleAttribute('hidden', last.length === 0);
		if (last.length === 0)
			return;
		const times = last.map(({ duration_us }) => Math.max(duration_us ?? 1, 1));
		const low = Math.floor(Math.log10(Math.min(...times)) - 0.3);
		const high = Math.max(low + 2, Math.ceil(Math.log10(Math.max(...times)) + 0.05));
		const y = (us) => HEIGHT - Math.max(2, (HEIGHT * (Math.log10(us) - low)) / (high - low));
		const parts = [];
		for (let power = low + 1; power < high; power++) {
			const at = y(10 ** power);
			parts.push(svg('line', { x1: 0, x2: width - LEGEND, y1: at, y2: at }),
				svg('text', { x: width - LEGEND + 6, y: at + 3.5 }, duration(10 ** power).replace('.0', '')));
		}
		last.forEach(({ id, status, duration_us }, i) => {
			const selected = id === this.selected ? ' selected' : '';
			const at = y(times[i]);
			parts.push(svg('rect', { x: i * BAR, y: at, width: BAR - 1.5, height: HEIGHT - at, rx: 1, class: status + selected, 'data-id': id },
				svg('title', {}, `${short(id)} ${status} ${duration(duration_us)}`)));
		});
		this.chart.replaceChildren(...parts);
		this.chart.ariaLabel = `Durations of the last ${last.length} activations, from ${duration(Math.min(...times))} to ${duration(Math.max(...times))}`;
	}
}
