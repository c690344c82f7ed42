// usage: breakpoint.js PORT - attach to Node.js' debugger at 127.0.0.1:PORT, print "attached", wait for a
// pause, print the value of `args.name` there, and let the action go on.
const http = require('http');
const WebSocket = require('ws');

http.get({ host: '127.0.0.1', port: process.argv[2], path: '/json/list' }, (reply) => {
    let text = '';
    reply.on('data', (data) => { text += data; });
    reply.on('end', () => attach(JSON.parse(text)[0].webSocketDebuggerUrl));
});

function attach(url) {
    const socket = new WebSocket(url);
    let id = 0;
    const waiting = new Map();
    const ask = (method, params) => new Promise((done) => {
        id += 1;
        waiting.set(id, done);
        socket.send(JSON.stringify({ id, method, params }));
    });

    socket.on('message', async (data) => {
        const message = JSON.parse(data);
        if (message.id)
            waiting.get(message.id)(message.result);
        if (message.method !== 'Debugger.paused')
            return;
        const [frame] = message.params.callFrames;
        const { result } = await ask('Debugger.evaluateOnCallFrame',
            { callFrameId: frame.callFrameId, expression: 'args.name' });
        console.log(result.value);
        await ask('Debugger.resume');
        socket.close();
    });
    socket.on('open', async () => {
        await ask('Debugger.enable');
        console.log('attached');
    });
}
