// Greets whoever the argument names.

function main(args) {
    return { greeting: `Hello, ${args.name || 'World'}!` };
}

exports.main = main;
