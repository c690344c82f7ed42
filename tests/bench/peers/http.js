'use strict';

/* http - the sample function in the process of Node's own server: http.js PORT. */

const http = require('http');

function main(args) {
    return { greeting: `Hello, ${args.name || 'World'}!` };
}

http.createServer((request, response) => {
    const pieces = [];

    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
        const answer = JSON.stringify(main(JSON.parse(Buffer.concat(pieces)).value || {}));

        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(answer) });
        response.end(answer);
    });
}).listen(Number(process.argv[2]), '127.0.0.1');
