package main

import (
	"encoding/json"
	"fmt"
	"openwhisk"
)

func greet(event json.RawMessage) (json.RawMessage, error) {
	args := struct{ Name string }{"World"}

	if err := json.Unmarshal(event, &args); err != nil {
		return nil, err
	}
	fmt.Println("greeting", args.Name)
	return json.Marshal(map[string]string{"greeting": "Hello, " + args.Name + "!"})
}

func main() {
	openwhisk.Start(greet)
}
