/* detail - one activation: its answer, argument and log. */

import { format, parse, plain } from './json.js';
import { Log } from './log.js';
import { activation, invoke } from './server.js';
import { $, appendLines, bytes, counted, duration, make, short } from './text.js';
import { showTree } from './tree.js';

const ERROR_MAX = 20000; // characters of an error shown as text
const PARTS_SHOWN = 200; // of the parts of an answer, at most so many are shown, the last ones
const TABS = ['answer', 'sent', 'lines'];
const VALUES = ['argument', 'answer', 'log', 'metadata', 'parts'];

const note = (element, text) => element.replaceChildren(make('p', { className: 'empty' }, text));

/* The members of a reply that the server wrote, not the action. */
const factsOf = (reply) => Object.fromEntries(reply.keys.filter((key) => !VALUES.includes(key)).map((key) => [key, plain(reply.get(key))]));

const settled = (promise) => promise.then((value) => [value], ({ message }) => [null, message]);

export class Detail {
	facts = {}; // as in the event `activation`
	turn = 0; // number of activations shown so far: a reply for an earlier one comes too late
	log = new Log($('lines'));

	/*
	 * known(id): what the list knows of an activation; onShow(id): called when another activation is
	 * shown; say(text): tells it to a screen reader.
	 */
	constructor(parts) {
		Object.assign(this, parts);
		TABS.forEach((name, i) => {
			$(`tab-${name}`).addEventListener('click', () => this.open(name));
			$(`tab-${name}`).addEventListener('keydown', ({ key }) => {
				const step = { ArrowRight: 1, ArrowLeft: 2 }[key];
				if (step)
					this.open(TABS[(i + step) % 3]);
			});
		});
	}

	open(tab) {
		for (const name of TABS) {
			$(name).hidden = name !== tab;
			$(`tab-${name}`).ariaSelected = String(name === tab);
			$(`tab-${name}`).tabIndex = name === tab ? 0 : -1;
		}
		$(`tab-${tab}`).focus();
	}

	/* Begin to show another activation; returns its turn. */
	start(id, facts) {
		this.facts = {};
		this.call = '';
		this.parts = null; // the element that shows them
		this.argument = this.answer = null;
		this.metadata = {};
		this.log.clear();
		$('answer').scrollTop = 0;
		$('actions').hidden = false;
		this.setFacts(facts);
		this.setId(id);
		return ++this.turn;
	}

	setId(id) {
		this.id = id;
		this.onShow(id);
	}

	/* Run the action and show what comes of it. text: the argument as JSON. */
	async invoke(text, metadata) {
		const turn = this.start(null, { status: 'running' });
		this.call = crypto.getRandomValues(new Uint32Array(2)).join('x');
		this.metadata = metadata;
		this.setArgument(parse(text));
		$('result').ariaBusy = 'true';
		note($('answer'), 'Running…');
		const [reply, problem] = await settled(invoke(text, metadata, this.call));
		if (turn !== this.turn)
			return;
		$('result').ariaBusy = 'false';
		if (problem) {
			this.fail(problem);
			return;
		}
		this.setId(plain(reply.get('id')));
		this.setFacts({ ...this.known(this.id), ...factsOf(reply) });
		this.setAnswer(reply.get('answer'));
		this.keepParts();
		this.loadLog();
		this.say(`${this.facts.status}, ${duration(this.facts.duration_us)}`);
	}

	fail(text) {
		this.setFacts({ status: 'error' });
		note($('answer'), text);
		this.say(text);
	}

	async load(id) {
		const turn = this.start(id, { id });
		$('result').ariaBusy = 'false';
		const [all, problem] = await settled(activation(id));
		if (turn !== this.turn)
			return;
		if (!all) {
			$('actions').hidden = true;
			note($('sent'), '');
			this.fail(problem ?? 'Nothing is kept of this activation any more.');
			return;
		}
		const facts = factsOf(all);
		this.setFacts(facts);
		this.metadata = plain(all.get('metadata')) ?? {};
		if (facts.argument_truncated) {
			note($('sent'), `The argument (${bytes(facts.argument_bytes)}) is too large to be kept.`);
			$('actions').hidden = true;
		} else {
			this.setArgument(all.get('argument'));
		}
		if (facts.status === 'running') {
			note($('answer'), 'Running…');
			this.addParts(all.get('parts').values.map((part) => ({ id, part })));
		} else if (facts.answer_truncated) {
			note($('answer'), `The answer (${bytes(facts.answer_bytes)}) is too large to be kept.`);
		} else {
			this.setAnswer(all.get('answer'));
		}
		this.setLog(all);
		this.say(`Activation ${short(id)}: ${facts.status}, ${duration(facts.duration_us)}`);
	}

	setLog(all) {
		this.log.clear();
		this.log.append(plain(all.get('log')) ?? []);
	}

	async loadLog() {
		const { id, turn } = this;
		const [all] = await settled(activation(id));
		if (all && turn === this.turn)
			this.setLog(all);
	}

	/* Show parts of the answer while the activation runs. items: [{id, part}]. */
	addParts(items) {
		const mine = items.filter(({ id }) => id === this.id && this.facts.status === 'running');
		if (mine.length === 0)
			return;
		if (!this.parts) {
			this.parts = make('div', { className: 'parts' });
			$('answer').replaceChildren(this.parts);
		}
		for (const { part } of mine.slice(-PARTS_SHOWN)) {
			this.parts.append(make('div'));
			showTree(this.parts.lastChild, part);
			if (this.parts.children.length > PARTS_SHOWN)
				this.parts.firstChild.remove();
		}
		$('answer').scrollTop = $('answer').scrollHeight;
	}

	/* Keep the parts beneath the answer, unless the answer is the list of parts. */
	keepParts() {
		const n = this.facts.n_parts ?? this.parts?.children.length;
		const isList = this.answer?.values && !this.answer.keys && this.answer.values.length === n;
		if (this.parts && !isList)
			$('answer').append(make('details', { className: 'entry' }, make('summary', {}, make('span', { className: 'hint' }, `${counted(n)} part${n === 1 ? '' : 's'}`)), this.parts));
	}

	update(facts) {
		if (!this.id && this.call && facts.call === this.call)
			this.setId(facts.id);
		if (facts.id === this.id) {
			const ended = this.facts.status === 'running' && facts.status !== 'running';
			this.setFacts(facts);
			if (ended && !this.call) // else the reply brings the whole answer
				this.load(this.id);
		}
	}

	setArgument(value) {
		this.argument = value;
		showTree($('sent'), value);
	}

	setAnswer(value) {
		this.answer = value;
		showTree($('answer'), value);
		const error = value?.keys && value.get('error');
		if (typeof error === 'string' && error.includes('\n')) {
			const text = make('pre', { className: 'error-text' });
			appendLines(text, error.slice(0, ERROR_MAX));
			$('answer').prepend(text);
		}
	}

	setFacts(more) {
		const { id, status, http, duration_us, first_part_us, answer_bytes, memory_bytes, version, reason } = Object.assign(this.facts, more);
		const rows = {
			status: status && make('span', { className: `badge ${status}` }, `${http ?? ''} ${status}`),
			reason,
			duration: duration(duration_us),
			first: first_part_us === undefined ? '' : `first part ${duration(first_part_us)}`,
			size: bytes(answer_bytes),
			memory: memory_bytes ? `${bytes(memory_bytes)} memory` : '',
			version: version ? `v${version}` : '',
			id: short(id),
		};
		$('facts').replaceChildren(...Object.entries(rows).filter(([, value]) => value).map(([name, value]) =>
			make('div', { className: name, title: name }, make('dt', { className: 'sr' }, name), make('dd', {}, value))));
	}

	argumentText(indent) {
		return format(this.argument, indent);
	}

	answerText() {
		return format(this.answer);
	}
}
