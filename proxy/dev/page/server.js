/* server - requests to whiskloop dev, and what the browser keeps for its action. */

import { parse } from './json.js';

const tokenOf = (page) => page.querySelector('meta[name=whiskloop-token]')?.content ?? '';
let token = tokenOf(document);
let action = '';

/*
 * Run the action. text: the argument as JSON; call: letters and digits that name this request, and
 * that the events of its activation repeat. Returns the server's reply; throws an Error whose
 * message people can read.
 */
export async function invoke(text, metadata, call) {
	const body = `{"value":${text},"metadata":${JSON.stringify(metadata)}}`;
	let reply = await post(body, call);
	if (reply.status === 403) {
		// The token changes when the server starts again: the page that it serves now has the new one.
		const page = await (await reach('/')).text();
		token = tokenOf(new DOMParser().parseFromString(page, 'text/html'));
		reply = await post(body, call);
	}
	const said = await reply.text();
	if (!reply.ok)
		throw new Error(`whiskloop dev refused the request with ${reply.status}: ${said.slice(0, 1000)}`);
	return parse(said);
}

const post = (body, call) => reach('/dev/invoke', {
	method: 'POST', body, headers: { 'Content-Type': 'application/json', 'X-Whiskloop-Token': token, 'X-Whiskloop-Call': call },
});

/* All that is kept of an activation, or null. */
export async function activation(id) {
	const reply = await reach(`/dev/activations/${encodeURIComponent(id)}`);
	return reply.ok ? parse(await reply.text()) : null;
}

async function reach(path, options) {
	try {
		return await fetch(path, { cache: 'no-store', ...options });
	} catch {
		throw new Error('whiskloop dev cannot be reached. Is it still running?');
	}
}

/* Name the action: keep() and kept() store what belongs to it apart from that of other actions. */
export function keepFor(name) {
	action = name;
}

const keyOf = (what) => `whiskloop dev ${action} ${what}`;

/* Keep an object; false: there is no storage, or no room. */
export function keep(storage, what, value) {
	try {
		storage.setItem(keyOf(what), JSON.stringify(value));
		return true;
	} catch {
		return false;
	}
}

/* What was kept, {} if nothing was. */
export function kept(storage, what) {
	try {
		return JSON.parse(storage.getItem(keyOf(what))) ?? {};
	} catch {
		return {};
	}
}
