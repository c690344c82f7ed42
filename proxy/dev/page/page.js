/* page - the page of whiskloop dev: what its parts do together. */

import { Activations } from './activations.js';
import { showBroken } from './broken.js';
import { asCurl, asInvoke } from './commands.js';
import { Detail } from './detail.js';
import { Editor } from './editor.js';
import { Examples } from './examples.js';
import { format, parse, plain } from './json.js';
import { Log } from './log.js';
import { keep, keepFor, kept } from './server.js';
import { Stream } from './stream.js';
import { $, counted, make } from './text.js';

const METADATA = ['namespace', 'action_name', 'action_version', 'activation_id', 'transaction_id', 'api_key', 'deadline'];

let state = null; // as /dev/state has it

const say = (text) => {
	$('say').textContent = text;
};

const editor = new Editor(remember);
const examples = new Examples(editor, say);
const log = new Log($('log'), () => {
	$('no-lines').hidden = log.shown.length > 0;
	$('no-lines').textContent = log.lines.length > 0 ? 'No line passes the filter.' : 'No output yet.';
	$('latest').hidden = log.follow;
});
const activations = new Activations({
	list: $('activations'),
	chart: $('chart'),
	summary: $('summary'),
	empty: $('no-activations'),
	onSelect: (id) => detail.load(id),
});
const detail = new Detail({
	known: (id) => activations.byId.get(id),
	onShow: (id) => {
		activations.select(id);
		if ($('of').value)
			filterLog();
	},
	say,
});

const fields = METADATA.map((name) => make('input', { name, autocomplete: 'off', spellcheck: false }));
$('fields').append(...fields.map((input) => make('label', {}, input.name, input)));

function metadata() {
	return Object.fromEntries(fields.filter(({ value }) => value).map(({ name, value }) => [name, value]));
}

/* Keep what was typed, for this tab only: two tabs do not disturb each other. */
function remember() {
	if (state) {
		const n = Object.keys(metadata()).length;
		$('metadata-count').textContent = n ? `${n} set` : '';
		keep(sessionStorage, 'typed', { text: editor.text, metadata: metadata(), onSave: $('on-save').checked });
	}
}

function restore() {
	const typed = kept(sessionStorage, 'typed');
	fields.forEach((input) => {
		input.value = typed.metadata?.[input.name] ?? '';
	});
	$('on-save').checked = Boolean(typed.onSave);
	if (editor.text === '')
		examples.type(typed.text);
}

function filterLog() {
	const of = $('of').value && (detail.id ?? 'none');
	const from = $('from').value;
	const contains = $('contains').value.toLowerCase();
	log.filter(of || from || contains ? (line) =>
		(!of || line.activation === of) && (!from || line.stream === from) && line.text.toLowerCase().includes(contains) : null);
}

function run() {
	const argument = editor.argument();
	if (argument === null) {
		say(`Not invoked. ${editor.mistake}`);
		editor.area.focus();
	} else {
		detail.invoke(argument, metadata());
	}
}

function setState(name) {
	if ($('state').textContent !== name) {
		$('state').textContent = name;
		$('state').className = `state ${name}`;
		setWait();
	}
	document.title = `${{ ready: '', loading: '… ' }[name] ?? '✗ '}${state?.name ?? ''} – whiskloop dev`;
}

/* Show the seconds of a load beside the state: in its text, a screen reader would read each out. */
function setWait() {
	const seconds = $('state').textContent === 'loading' ? Math.floor((Date.now() - state.since_ms) / 1000) : 0;
	$('state').dataset.wait = seconds > 0 ? `${seconds} s` : '';
}

setInterval(setWait, 500);

function setTag(id, text) {
	$(id).textContent = text;
	$(id).hidden = !text;
}

function onState(data) {
	const value = parse(data);
	const old = state;
	state = plain(value);
	const { name, language, version, inspect, instance } = state;
	keepFor(name);
	$('name').textContent = name;
	setTag('language', language);
	setTag('version', version > 0 ? `version ${version}` : '');
	setTag('inspect', inspect ? `debugger on port ${inspect}` : '');
	setState(state.state);
	showBroken(state);
	examples.offer(new Map(value.get('examples').values.map((each) => [each.get('name'), format(each.get('value'))])));
	if (!old) {
		restore();
	} else if (old.instance !== instance) {
		activations.clear();
		log.note('whiskloop dev was started again');
		if (detail.facts.status === 'running' && !detail.call)
			detail.load(detail.id); // it has ended with the server, and no event tells it
	} else if (version > old.version) {
		$('version').animate({ background: ['var(--accent)', 'var(--accent)', ''] }, 1500);
		say(`Version ${version} is loaded`);
		if ($('on-save').checked)
			run();
	}
}

new Stream('/dev/events', {
	lost: () => setState('offline'),
	state: onState,
	activation: (data) => {
		const activation = JSON.parse(data);
		activations.update(activation);
		detail.update(activation);
	},
	log: (data) => log.append(JSON.parse(data)),
	parts: (data) => detail.addParts(parse(data).values.map((each) => ({ id: each.get('activation'), part: each.get('part') }))),
	dropped: (data) => log.note(`${counted(JSON.parse(data).count)} lines left out: they came faster than this page could read`),
});

/* Put a text on the clipboard. navigator.clipboard is only there for a page of the browser's own
 * machine. */
async function toClipboard(text) {
	if (navigator.clipboard) {
		await navigator.clipboard.writeText(text);
		return;
	}
	const focus = document.activeElement;
	const area = make('textarea', { value: text, className: 'sr' });
	document.body.append(area);
	area.select();
	const done = document.execCommand('copy');
	area.remove();
	focus.focus({ preventScroll: true });
	if (!done)
		throw new Error('no clipboard');
}

/* Make a button copy what text() returns; null: the argument has a mistake. */
function copies(id, text) {
	$(id).addEventListener('click', async () => {
		const copied = text();
		if (copied === null) {
			say(`Not copied. ${editor.mistake}`);
			return;
		}
		try {
			await toClipboard(copied);
		} catch {
			say('Not copied: the browser refuses it.');
			return;
		}
		say('Copied');
		$(id).classList.add('done');
		setTimeout(() => $(id).classList.remove('done'), 1200);
	});
}

copies('copy-curl', () => editor.argument() && asCurl(editor.argument(), metadata()));
copies('copy-invoke', () => editor.argument() && asInvoke(state.path, editor.argument(), metadata()));
copies('copy-answer', () => detail.answerText());
copies('copy-log', () => log.text());

const clicks = {
	invoke: run,
	format: () => editor.pretty(),
	keep: () => examples.name(editor.text),
	again: () => detail.invoke(detail.argumentText(0), detail.metadata),
	edit: () => {
		examples.type(detail.argumentText());
		editor.area.focus();
	},
	'make-example': () => examples.name(detail.argumentText()),
	'clear-log': () => log.clear(),
	latest: () => {
		log.toEnd();
		$('log').focus();
	},
	log: ({ target }) => {
		if (target.dataset.id)
			detail.load(target.dataset.id);
	},
};
Object.entries(clicks).forEach(([id, onClick]) => $(id).addEventListener('click', onClick));
['of', 'from', 'contains'].forEach((id) => $(id).addEventListener('input', filterLog));
['fields', 'on-save'].forEach((id) => $(id).addEventListener('input', remember));
window.addEventListener('storage', () => examples.draw());
document.addEventListener('keydown', (event) => {
	if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !document.querySelector('dialog[open]')) {
		event.preventDefault();
		run();
	}
});
