// Package openwhisk is the same package under the import path of the first prototype of Apache's
// Go runtime, so that its examples compile unchanged.
package openwhisk

import (
	"encoding/json"
	"openwhisk"
)

// Start is the Start of package "openwhisk".
func Start(handler func(event json.RawMessage) (json.RawMessage, error)) {
	openwhisk.Start(handler)
}
