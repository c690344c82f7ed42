// usage: fetch.js URL SHA512 FILE - download the archive of npm from its registry to FILE.
//
// SHA512 is the archive's digest in base64; any other archive is refused. Debian's npm consists of
// hundreds of packages, so it is not used.
const crypto = require('crypto');
const fs = require('fs');

const [url, wanted, file] = process.argv.slice(2);

fetch(url).then(async (reply) => {
    const archive = Buffer.from(await reply.arrayBuffer());
    const found = crypto.createHash('sha512').update(archive).digest('base64');
    if (found !== wanted)
        throw new Error(`${url} answers ${reply.status} with an archive of the digest ${found}, not ${wanted}`);
    fs.writeFileSync(file, archive);
}).catch((error) => {
    console.error(`npm error ${error.cause ? "network" : "archive"} ${url}: ${error.message}: ${error.cause || ""}`);
    process.exit(1);
});
