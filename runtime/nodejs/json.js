'use strict';

/* json - JSON as it was before the user's code could put something else in its place. */

module.exports = { parse: JSON.parse, stringify: JSON.stringify };
