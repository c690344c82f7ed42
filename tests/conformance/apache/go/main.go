// Reads by a buffer in a goroutine of the runtime's choosing, answers on 3, acknowledges always.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

func Main(value interface{}) interface{} {
	args, _ := value.(map[string]interface{})
	switch args["do"] {
	case "log":
		fmt.Println("hello stdout")
		fmt.Fprintln(os.Stderr, "hello stderr")
	case "unicode":
		mark := args["mark"].(string)
		fmt.Println(mark + " ☃ " + mark)
		return map[string]string{"winter": mark + " ☃ " + mark}
	case "env":
		return map[string]string{"env": os.Getenv("__OW_ACTIVATION_ID"), "init": os.Getenv("SOME_VAR")}
	case "error":
		return map[string]string{"error": "sorry"}
	case "throw":
		panic("nooooo")
	case "text":
		return "no dictionary"
	case "array":
		return []string{"a", "b"}
	case "exit":
		os.Exit(3)
	}
	return value
}

func main() {
	answers := os.NewFile(3, "answers")
	input := bufio.NewReader(os.Stdin)

	fmt.Fprintln(answers, `{ "ok": true}`)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		request := map[string]interface{}{}
		if err := json.Unmarshal(line, &request); err != nil {
			fmt.Fprintf(answers, "{ error: %q}\n", err.Error())
			continue
		}
		for key, field := range request {
			if text, is := field.(string); is && key != "value" {
				os.Setenv("__OW_"+strings.ToUpper(key), text)
			}
		}
		output, err := json.Marshal(Main(request["value"]))
		if err != nil {
			fmt.Fprintf(answers, "{ error: %q}\n", err.Error())
			continue
		}
		fmt.Fprintf(answers, "%s\n", output)
	}
}
