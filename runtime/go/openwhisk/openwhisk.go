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
// runtime/README.md describes the protocol (The line protocol). The activation's log is what is
// printed to os.Stdout and os.Stderr.
package openwhisk

import (
	"bufio"
	"bytes"
	"context"
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
	ready     = `{"ok":true,"pipeline":64,"parts":true,"control":true}` + "\n"
	keptFdMin = 100 // our descriptors are above this: programs may count on small numbers
)

var (
	lines, answers *os.File
	announces      = os.Getenv("__OW_WAIT_FOR_ACK") != ""
)

// Runs before the init functions of the action's packages, so that what they print is log, too.
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

// Start calls the function for each activation with its argument, an object or an array. The
// result is the answer; an error is logged and answered as {"error": "..."}. Start does not return.
func Start(handler func(event json.RawMessage) (json.RawMessage, error)) {
	Serve(handler)
}

// Serve does the same for a function of any type func(T) R or func(T) (R, error), if encoding/json
// can decode the argument into T and encode R, such as map[string]interface{} or []interface{}.
//
// Before T the function may take a context.Context, which is done once the caller has left. After T
// it may take a func(P) error, a func(P) or a chan<- P, which sends a part of the answer. The
// func(P) error returns context.Canceled once the caller has left.
func Serve(function interface{}) {
	ServeFunctions(Functions{{"main", function}})
}

// Functions of one program, in order: the first is the default.
type Functions []struct {
	Name     string
	Function interface{}
}

// ServeFunctions serves several functions: an activation's member "method" names the one to call.
func ServeFunctions(functions Functions) {
	var handlers []handler

	for _, one := range functions {
		handler, err := handlerOf(one.Function)
		if err != nil {
			fail(err)
		}
		handler.name = one.Name
		handlers = append(handlers, handler)
	}
	if announces {
		if _, err := io.WriteString(answers, ready); err != nil {
			fail(err)
		}
	}
	if err := serve(handlers, bufio.NewReaderSize(lines, 1<<16)); err != nil {
		fail(err)
	}
	os.Exit(0)
}

// One function, and its parameters.
type handler struct {
	name    string
	takes   bool // it takes a context, or a parameter that sends parts
	inParts bool // it takes a parameter that sends parts
	call    func(event json.RawMessage, ctx context.Context, send func(interface{}) error) (json.RawMessage, error)
}

func serve(handlers []handler, in *bufio.Reader) error {
	seen := variables{}
	next := func() request {
		line, err := in.ReadBytes('\n')
		return request{line: line, err: err}
	}
	for _, one := range handlers {
		if one.takes {
			next = readAhead(in)
			break
		}
	}
	for {
		one := next()
		if one.err != nil && one.err != io.EOF {
			return fmt.Errorf("cannot read activations: %w", one.err)
		}
		if len(one.line) > 0 && !isControl(one.line) {
			if _, err := answers.Write(append(answer(handlers, seen, one), '\n')); err != nil {
				return fmt.Errorf("cannot write an answer: %w", err)
			}
		}
		if one.err != nil {
			return nil
		}
	}
}

// ---- one activation ----

func errorOf(text string) []byte {
	answer, _ := encode(map[string]string{"error": text})
	return answer
}

func choose(handlers []handler, members map[string]json.RawMessage) (handler, error) {
	var name string

	method := members["method"]
	if len(handlers) < 2 || method == nil || string(method) == "null" {
		return handlers[0], nil
	}
	names := []string{}
	err := json.Unmarshal(method, &name)
	for _, one := range handlers {
		if err == nil && one.name == name {
			delete(members, "method") // it is not metadata
			return one, nil
		}
		names = append(names, one.name)
	}
	return handler{}, fmt.Errorf("method not found: %s; want %s", method, strings.Join(names, ", "))
}

func answer(handlers []handler, seen variables, one request) (out []byte) {
	var members map[string]json.RawMessage

	if err := json.Unmarshal(one.line, &members); err != nil {
		return errorOf("the line is no JSON object: " + err.Error())
	}
	function, err := choose(handlers, members)
	if err != nil {
		return errorOf(err.Error())
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
	if function.takes {
		return answerInParts(function, argument, one.ctx)
	}
	result, err := function.call(argument, nil, nil)
	return finish(result, err)
}

func finish(result json.RawMessage, err error) []byte {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return errorOf(err.Error())
	}
	return oneLine(result)
}

// The JSON without newlines. The handler may have got it from anywhere.
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
	_ = json.Compact(&compact, result) // cannot fail: it is valid JSON
	return compact.Bytes()
}

// Like json.Marshal, but without escapes for < > &, so that an echo does not grow.
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

var (
	errorType   = reflect.TypeOf((*error)(nil)).Elem()
	contextType = reflect.TypeOf((*context.Context)(nil)).Elem()
)

// Whether a parameter of this type can send parts of the function's answer.
func sendsParts(kind reflect.Type) bool {
	if kind.Kind() == reflect.Chan {
		return kind.ChanDir()&reflect.SendDir != 0
	}
	return kind.Kind() == reflect.Func && kind.NumIn() == 1 && !kind.IsVariadic() &&
		(kind.NumOut() == 0 || kind.NumOut() == 1 && kind.Out(0) == errorType)
}

func handlerOf(function interface{}) (handler, error) {
	if plain, ok := function.(func(json.RawMessage) (json.RawMessage, error)); ok {
		return handler{call: func(event json.RawMessage, _ context.Context, _ func(interface{}) error) (json.RawMessage, error) {
			return plain(event)
		}}, nil
	}
	kind := reflect.TypeOf(function)
	wrong := fmt.Errorf("the action's function is %v, want func(T) R or func(T) (R, error); "+
		"before T may be a context.Context, after it a func(P) error or chan<- P", kind)
	if kind == nil || kind.Kind() != reflect.Func || kind.IsVariadic() {
		return handler{}, wrong
	}
	at := 0 // index of T among the parameters
	if kind.NumIn() > 1 && kind.In(0) == contextType {
		at = 1
	}
	inParts := kind.NumIn() == at+2 && sendsParts(kind.In(at+1))
	isError := func(i int) bool { return kind.Out(i) == errorType }
	if kind.NumIn() != at+1 && !inParts ||
		!(kind.NumOut() == 1 && (inParts || !isError(0)) || kind.NumOut() == 2 && isError(1) || kind.NumOut() == 0 && inParts) {
		return handler{}, wrong
	}
	value := reflect.ValueOf(function)
	call := func(event json.RawMessage, ctx context.Context, send func(interface{}) error) (json.RawMessage, error) {
		argument := reflect.New(kind.In(at))
		if err := json.Unmarshal(event, argument.Interface()); err != nil {
			return nil, fmt.Errorf("the action takes another argument: %w", err)
		}
		arguments := []reflect.Value{argument.Elem()}
		if at == 1 {
			arguments = []reflect.Value{reflect.ValueOf(ctx), argument.Elem()}
		}
		end := func() error { return nil }
		if inParts {
			var sender reflect.Value
			sender, end = senderOf(kind.In(at+1), send)
			arguments = append(arguments, sender)
			defer end() // after a panic, too
		}
		results := value.Call(arguments)
		if err := end(); err != nil {
			return nil, err
		}
		n := len(results)
		if n > 0 && isError(n-1) {
			if !results[n-1].IsNil() {
				return nil, results[n-1].Interface().(error)
			}
			n--
		}
		if n == 0 || inParts && isNil(results[0]) {
			return nil, nil
		}
		return encode(results[0].Interface())
	}
	return handler{takes: at == 1 || inParts, inParts: inParts, call: call}, nil
}

func isNil(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Interface, reflect.Map, reflect.Ptr, reflect.Slice:
		return value.IsNil()
	}
	return false
}

// ---- metadata as environment variables ----

// Keys that the platform, or the proxy from a client's headers, sends: these are always shown.
var platform = map[string]bool{
	"namespace": true, "action_name": true, "action_version": true, "activation_id": true,
	"transaction_id": true, "deadline": true, "api_host": true, "api_key": true,
	"traceparent": true, "tracestate": true,
}

const (
	othersMax = 256  // most other keys shown, as in every language
	keyMax    = 1024 // bytes
)

// What each variable was before an activation set it; nil: it was not set.
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
	_ = json.Compact(&compact, value) // cannot fail: it is a part of valid JSON
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
		_ = os.Setenv(name, text) // fails for names that no variable can have
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

// A copy that programs started by the action do not inherit.
func keepAway(fd int, name string) (*os.File, error) {
	kept, err := fcntl(fd, syscall.F_DUPFD_CLOEXEC, keptFdMin)
	if err != nil {
		return nil, fmt.Errorf("cannot keep %s: %w", name, err)
	}
	return os.NewFile(uintptr(kept), name), nil
}

// Under a proxy, answers go to 3 and 1 is log. In a shell, answers go to stdout.
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
