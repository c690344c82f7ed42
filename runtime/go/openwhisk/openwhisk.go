// Package openwhisk serves an action written in Go: a function that is called for one activation
// after the other, in one process.
//
//	package main
//
//	import (
//		"encoding/json"
//		"openwhisk"
//	)
//
//	func main() {
//		openwhisk.Start(func(event json.RawMessage) (json.RawMessage, error) {
//			return event, nil
//		})
//	}
//
// What it speaks is in runtime/README.md, The line protocol. What is printed to os.Stdout and
// os.Stderr is the activation's log.
package openwhisk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"
)

const (
	ready     = `{"ok":true,"pipeline":64}` + "\n"
	keptFdMin = 100 // out of the way of programs that count on small numbers
)

var (
	lines, answers *os.File
	announces      = os.Getenv("__OW_WAIT_FOR_ACK") != ""
)

// Before the action's own packages are set up: what they print is log already.
func init() {
	var err error

	if lines, answers, err = arrange(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Start calls the function for each activation with its argument, an object or an array. What it
// returns is the answer; an error is logged and answered as {"error": "..."}. Start does not return.
func Start(handler func(event json.RawMessage) (json.RawMessage, error)) {
	Serve(handler)
}

// Serve does the same for a function of any type func(T) R or func(T) (R, error), where T can hold
// the argument's JSON and R be told as JSON, as map[string]interface{} and []interface{} can.
func Serve(function interface{}) {
	handler, err := handlerOf(function)
	if err != nil {
		fail(err)
	}
	if announces {
		if _, err := io.WriteString(answers, ready); err != nil {
			fail(err)
		}
	}
	if err := serve(handler, bufio.NewReaderSize(lines, 1<<16)); err != nil {
		fail(err)
	}
	os.Exit(0)
}

func serve(handler func(json.RawMessage) (json.RawMessage, error), in *bufio.Reader) error {
	seen := variables{}
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("cannot read activations: %w", err)
		}
		if len(line) > 0 {
			if _, err := answers.Write(append(answer(handler, seen, line), '\n')); err != nil {
				return fmt.Errorf("cannot write an answer: %w", err)
			}
		}
		if err != nil {
			return nil
		}
	}
}

// ---- one activation ----

func errorOf(text string) []byte {
	answer, _ := encode(map[string]string{"error": text})
	return answer
}

func answer(handler func(json.RawMessage) (json.RawMessage, error), seen variables, line []byte) (out []byte) {
	var members map[string]json.RawMessage

	if err := json.Unmarshal(line, &members); err != nil {
		return errorOf("the line is no JSON object: " + err.Error())
	}
	seen.set(members)
	argument := members["value"]
	if argument == nil || string(argument) == "null" {
		argument = json.RawMessage("{}")
	}
	defer func() {
		if thrown := recover(); thrown != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", thrown, debug.Stack())
			out = errorOf(fmt.Sprint(thrown))
		}
	}()
	result, err := handler(argument)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return errorOf(err.Error())
	}
	return oneLine(result)
}

// JSON without newlines, whatever the handler took it from.
func oneLine(result json.RawMessage) []byte {
	var compact bytes.Buffer

	if len(result) == 0 {
		return []byte("null")
	}
	if !json.Valid(result) {
		fmt.Fprintln(os.Stderr, "the action returned what is no JSON")
		return errorOf("the action returned what is no JSON")
	}
	if bytes.IndexByte(result, '\n') < 0 && bytes.IndexByte(result, '\r') < 0 {
		return result
	}
	_ = json.Compact(&compact, result) // it is valid
	return compact.Bytes()
}

// As json.Marshal, but < > & stay as they are: an echo may not grow.
func encode(value interface{}) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)

	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// ---- functions of other types ----

func handlerOf(function interface{}) (func(json.RawMessage) (json.RawMessage, error), error) {
	if handler, ok := function.(func(json.RawMessage) (json.RawMessage, error)); ok {
		return handler, nil
	}
	value := reflect.ValueOf(function)
	kind := reflect.TypeOf(function)
	isError := func(i int) bool { return kind.Out(i) == reflect.TypeOf((*error)(nil)).Elem() }
	if kind == nil || kind.Kind() != reflect.Func || kind.IsVariadic() || kind.NumIn() != 1 ||
		!(kind.NumOut() == 1 && !isError(0) || kind.NumOut() == 2 && isError(1)) {
		return nil, fmt.Errorf("the action's function is %v, want func(T) R or func(T) (R, error)", kind)
	}
	return func(event json.RawMessage) (json.RawMessage, error) {
		argument := reflect.New(kind.In(0))
		if err := json.Unmarshal(event, argument.Interface()); err != nil {
			return nil, fmt.Errorf("the action takes another argument: %w", err)
		}
		results := value.Call([]reflect.Value{argument.Elem()})
		if len(results) == 2 && !results[1].IsNil() {
			return nil, results[1].Interface().(error)
		}
		return encode(results[0].Interface())
	}, nil
}

// ---- metadata as environment variables ----

// Keys that the platform, or the proxy from a client's headers, sends: these are always shown.
var platform = map[string]bool{
	"namespace": true, "action_name": true, "action_version": true, "activation_id": true,
	"transaction_id": true, "deadline": true, "api_host": true, "api_key": true,
	"traceparent": true, "tracestate": true,
}

const (
	othersMax = 256  // and so many others, as in every language
	keyMax    = 1024 // bytes
)

// What each variable was before an activation set it; nil: it was not there.
type variables map[string]*string

func upper(text string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' {
			return c - 'a' + 'A'
		}
		return c
	}, text)
}

func textOf(value json.RawMessage) string {
	var text string
	var compact bytes.Buffer

	if string(value) == "null" {
		return ""
	}
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	_ = json.Compact(&compact, value) // it is a part of what is valid
	return compact.String()
}

func (seen variables) set(members map[string]json.RawMessage) {
	wanted := map[string]string{}
	others := 0
	for key, value := range members {
		if key == "value" || len(key) > keyMax || !platform[key] && others == othersMax {
			continue
		}
		if !platform[key] {
			others++
		}
		wanted["__OW_"+upper(key)] = textOf(value)
	}
	for name, before := range seen {
		if _, stays := wanted[name]; stays {
			continue
		}
		if before != nil {
			_ = os.Setenv(name, *before)
		} else {
			_ = os.Unsetenv(name)
		}
		delete(seen, name)
	}
	for name, text := range wanted {
		if _, known := seen[name]; !known {
			seen[name] = nil
			if before, was := os.LookupEnv(name); was {
				seen[name] = &before
			}
		}
		_ = os.Setenv(name, text) // refused for what cannot be a variable
	}
}

// ---- descriptors ----

func fcntl(fd, command, argument int) (int, error) {
	result, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), uintptr(command), uintptr(argument))
	if errno != 0 {
		return -1, errno
	}
	return int(result), nil
}

// A copy that no program which the action starts inherits.
func keepAway(fd int, name string) (*os.File, error) {
	kept, err := fcntl(fd, syscall.F_DUPFD_CLOEXEC, keptFdMin)
	if err != nil {
		return nil, fmt.Errorf("cannot keep %s: %w", name, err)
	}
	return os.NewFile(uintptr(kept), name), nil
}

// Under a proxy answers leave on 3 and 1 is log; in a shell answers are what stdout is for.
func arrange() (lines, answers *os.File, err error) {
	flags, flagsErr := fcntl(3, syscall.F_GETFL, 0)
	onFd3 := announces && flagsErr == nil && flags&syscall.O_ACCMODE != syscall.O_RDONLY
	from := 1
	if onFd3 {
		from = 3
	}
	nothing, nothingErr := os.Open(os.DevNull)
	if nothingErr != nil {
		return nil, nil, nothingErr
	}
	defer nothing.Close()
	lines, linesErr := keepAway(0, "activations")
	answers, answersErr := keepAway(from, "answers")
	if linesErr != nil || answersErr != nil {
		return nil, nil, errors.New("the action wants lines on descriptor 0, and 1 open for answers")
	}
	if err := syscall.Dup3(int(nothing.Fd()), 0, 0); err != nil {
		return nil, nil, err
	}
	if onFd3 {
		return lines, answers, syscall.Close(3)
	}
	return lines, answers, syscall.Dup3(2, 1, 0)
}
