/* commands - an invocation as a command line. */

const WORD_MAX = 100000; // a longer argument goes through a pipe: Linux allows 128 KiB a word

const quoted = (text) => (/^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/* json: the last word, or the input of the command, for which stdin stands then. */
function line(command, json, stdin) {
	return json.length <= WORD_MAX ? `${command} ${quoted(json)}` : `${command} ${stdin} <<'END'\n${json}\nEND`;
}

/* argument: JSON on one line. */
export function asCurl(argument, metadata) {
	const more = JSON.stringify(metadata).slice(1);
	return line(`curl -s ${location.origin}/run -H 'Content-Type: application/json' -d`, `{"value":${argument}${more === '}' ? '' : ','}${more}`, '@-');
}

export function asInvoke(path, argument, metadata) {
	const more = Object.entries(metadata).map(([key, value]) => `-m ${quoted(`${key}=${value}`)} `);
	return line(`whiskloop invoke ${more.join('')}${quoted(path)}`, argument, '-');
}
