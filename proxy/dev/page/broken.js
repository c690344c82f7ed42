/* broken - cover the page with the error of a version that did not load, until one loads. */

import { $, appendLines, appendText, make } from './text.js';

const dialog = $('broken');
let error = ''; // what is wrong now, as JSON; '': nothing
let seen = ''; // value of `error` when the dialog was last closed

$('dismiss').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', () => {
	seen = error;
});

/* state: as /dev/state has it. While loading it is not known whether the error is mended. */
export function showBroken(state) {
	if (state.state === 'loading')
		return;
	error = state.state === 'broken' ? JSON.stringify([state.serving, state.error ?? {}]) : '';
	if (error === '') {
		dialog.close();
	} else if (error !== seen) {
		fill(state, state.error ?? {});
		if (!dialog.open)
			dialog.showModal();
	}
}

function fill({ name, version, serving }, { file, line, text, source }) {
	$('broken-title').replaceChildren();
	appendText($('broken-title'), `Cannot load ${file ?? name}${line ? `, line ${line}` : ''}`);
	$('broken-serving').textContent = `${serving > 0 ? `Version ${serving} goes on serving.` : version > 0 ? `Version ${version} has crashed: nothing is served.` : 'Nothing is served yet.'} This goes away with the next save that loads.`;
	$('broken-text').replaceChildren();
	appendLines($('broken-text'), text ?? '');
	$('broken-source').replaceChildren(...(source ?? []).map((each) => {
		const code = make('code');
		appendText(code, each.text);
		return make('div', { className: each.line === line ? 'at' : '' }, make('span', {}, each.line), code);
	}));
}
