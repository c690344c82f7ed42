/* commands - an invocation as a command line. */

const WORD_MAX = 100000; // bytes; longer JSON is passed on stdin: Linux allows 128 KiB for a word

const quoted = (text) => (/^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/* json: the last word of the command, or its input if it is too long. stdin: the last word then. */
function line(command, json, stdin) {
	const word = quoted(json);
	return new Blob([word]).size <= WORD_MAX ? `${command} ${word}` : `${command} ${stdin} <<'END'\n${json}\nEND`;
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
