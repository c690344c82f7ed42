// Prints the action that npm's openwhisk-composer makes of a composition: try, repeat, if and let.
const composer = require('openwhisk-composer');
const conductor = require('openwhisk-composer/conductor');

const composition = composer.let({ left: 3, log: [] },
    composer.repeat(2, (p) => { log.push(left); left -= 1; return { ...p, left, log }; }),
    composer.if((p) => p.left === 1, (p) => ({ ...p, branch: 'then' }), (p) => ({ ...p, branch: 'else' })),
    composer.try(composer.action('fails'), (p) => ({ caught: p.error, log, branch: 'then' })));

console.log(conductor.generate({ name: 'demo', ...composition.compile() }).action.exec.code);
