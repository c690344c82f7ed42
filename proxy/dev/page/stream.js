/*
 * stream - follow the server's events. EventSource would read them faster than the page can draw.
 * With fetch() a flood of events waits at the server, which drops what is too much.
 */

const RETRY_MS = [100, 200, 500, 1000, 2000];
const TURN_MS = 10; // time after which the browser may draw and handle keys

const { port1, port2 } = new MessageChannel();

/* Let the browser handle other events. A timer would wait for a second if the page is hidden. */
function turn() {
	return new Promise((resolve) => {
		port1.onmessage = resolve;
		port2.postMessage(0);
	});
}

export class Stream {
	last = ''; // id of the last event
	failures = 0; // failed connections in a row

	/* Call on.NAME(data) for each event, and on.lost() when there is no connection. */
	constructor(url, on) {
		Object.assign(this, { url, on });
		this.run();
	}

	async run() {
		for (;;) {
			await this.connect().catch(() => this.on.lost());
			const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
			await new Promise((resolve) => {
				setTimeout(resolve, wait);
			});
		}
	}

	/* Read events; throws when the connection ends. */
	async connect() {
		const headers = this.last ? { 'Last-Event-ID': this.last } : {};
		const reply = await fetch(this.url, { headers, cache: 'no-store' });
		if (!reply.ok)
			throw new Error(reply.statusText);
		this.failures = 0;
		await this.read(reply.body.pipeThrough(new TextDecoderStream()).getReader());
	}

	async read(reader) {
		let text = '';
		let searched = 0;
		let began = performance.now();
		for (;;) {
			const { done, value } = await reader.read();
			if (done)
				throw new Error('the server has ended');
			text += value;
			let from = 0;
			for (let end; (end = text.indexOf('\n\n', Math.max(from, searched))) >= 0; from = end + 2) {
				this.dispatch(text.slice(from, end));
				if (performance.now() - began > TURN_MS) {
					await turn();
					began = performance.now();
				}
			}
			text = text.slice(from);
			searched = Math.max(0, text.length - 1);
		}
	}

	dispatch(block) {
		const field = {};
		for (const line of block.split('\n')) {
			const colon = line.indexOf(': ');
			field[line.slice(0, colon)] = line.slice(colon + 2);
		}
		this.last = field.id ?? this.last;
		if (field.data !== undefined)
			this.on[field.event]?.(field.data);
	}
}
