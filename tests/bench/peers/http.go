// http - the sample function in the process of Go's own server: http PORT.
package main

import (
	"encoding/json"
	"net/http"
	"os"
)

type request struct {
	Value struct {
		Name string `json:"name"`
	} `json:"value"`
}

func serve(w http.ResponseWriter, r *http.Request) {
	var body request

	if json.NewDecoder(r.Body).Decode(&body) != nil {
		w.WriteHeader(400)
		return
	}
	answer, _ := json.Marshal(map[string]string{"greeting": "Hello, " + body.Value.Name + "!"})
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}

func main() {
	http.HandleFunc("/run", serve)
	if http.ListenAndServe("127.0.0.1:"+os.Args[1], nil) != nil {
		os.Exit(1)
	}
}
