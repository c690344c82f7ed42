// Package openwhisk is the package of the same name by the path under which the first prototype of
// the Go runtime had it, so that its examples compile as they are.
package openwhisk

import (
	"encoding/json"
	"openwhisk"
)

// Start is Start of the package that the path "openwhisk" names.
func Start(handler func(event json.RawMessage) (json.RawMessage, error)) {
	openwhisk.Start(handler)
}
