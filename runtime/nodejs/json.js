'use strict';

/* json - JSON's functions, kept from before the user's code can replace them. */

module.exports = { parse: JSON.parse, stringify: JSON.stringify };
