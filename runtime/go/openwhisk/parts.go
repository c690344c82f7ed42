package openwhisk

// Answers in parts: runtime/README.md describes the lines.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
)

const (
	aheadMax = 256      // lines that are read ahead; the proxy writes no more than 64
	listMax  = 64 << 20 // most bytes of parts that are kept in a shell

	cancelWord = "cancel " // a control line begins with it
)

// A line as it was read. Control lines refer to it by its number.
type request struct {
	line   []byte
	err    error
	number int
	ctx    context.Context // done once nobody waits for its answer
	cancel context.CancelFunc
}

func isControl(line []byte) bool {
	return announces && bytes.HasPrefix(line, []byte(cancelWord))
}

// Lines as they come. A goroutine reads them, so that control lines are seen while a function
// runs.
func readAhead(in *bufio.Reader) func() request {
	var (
		lock    sync.Mutex
		cancels = map[int]context.CancelFunc{} // for requests that were read and are not answered
		last    request
	)
	requests := make(chan request, aheadMax)
	obey := func(line []byte) {
		number, err := strconv.Atoi(string(bytes.TrimSuffix(line[len(cancelWord):], []byte{'\n'})))

		lock.Lock()
		defer lock.Unlock()
		if cancel := cancels[number]; err == nil && cancel != nil {
			cancel()
		}
	}
	go func() {
		for number := 0; ; {
			line, err := in.ReadBytes('\n')
			if isControl(line) && err == nil {
				obey(line)
				continue
			}
			number++
			next := request{line: line, err: err, number: number}
			next.ctx, next.cancel = context.WithCancel(context.Background())
			lock.Lock()
			cancels[number] = next.cancel
			lock.Unlock()
			requests <- next
			if err != nil {
				return
			}
		}
	}()
	return func() request {
		if last.cancel != nil {
			lock.Lock()
			delete(cancels, last.number)
			lock.Unlock()
			last.cancel()
		}
		last = <-requests
		return last
	}
}

// The parts of one activation.
type parts struct {
	sync.Mutex
	ctx    context.Context
	isOver bool         // then goroutines that the function left running can send no more
	kept   bytes.Buffer // in a shell, where the answer is a list of the parts
}

func (p *parts) send(value interface{}) error {
	text, err := encode(value)
	if err != nil {
		return err
	}
	text = oneLinePart(text)
	p.Lock()
	defer p.Unlock()
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.isOver {
		return context.Canceled
	}
	if !announces {
		if p.kept.Len()+len(text) > listMax {
			return fmt.Errorf("a list of the parts is longer than %d bytes", listMax)
		}
		p.kept.WriteByte(',')
		p.kept.Write(text)
		return nil
	}
	line := append(append(make([]byte, 0, len(text)+2), '+'), text...)
	if _, err := answers.Write(append(line, '\n')); err != nil {
		fail(fmt.Errorf("cannot write a part: %w", err))
	}
	return nil
}

// encode() leaves newlines that are inside a json.RawMessage.
func oneLinePart(text []byte) []byte {
	var compact bytes.Buffer

	if bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 || json.Compact(&compact, text) != nil {
		return text
	}
	return compact.Bytes()
}

func answerInParts(function handler, argument json.RawMessage, ctx context.Context) []byte {
	sent := parts{ctx: ctx}

	defer func() {
		sent.Lock()
		sent.isOver = true
		sent.Unlock()
	}()
	result, err := function.call(argument, ctx, sent.send)
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return errorOf("the client has left")
	case err != nil || result != nil || !function.inParts:
		return finish(result, err)
	case announces:
		return []byte("+")
	}
	return append(append([]byte{'['}, bytes.TrimPrefix(sent.kept.Bytes(), []byte{','})...), ']')
}

// The sender in the form of the function's parameter. end waits until all parts are sent; it may be
// called again.
func senderOf(kind reflect.Type, send func(interface{}) error) (sender reflect.Value, end func() error) {
	if kind.Kind() == reflect.Func {
		return reflect.MakeFunc(kind, func(arguments []reflect.Value) []reflect.Value {
			err := send(arguments[0].Interface())
			if kind.NumOut() == 0 {
				return nil
			}
			result := reflect.New(errorType).Elem()
			if err != nil {
				result.Set(reflect.ValueOf(err))
			}
			return []reflect.Value{result}
		}), func() error { return nil }
	}
	channel := reflect.MakeChan(reflect.ChanOf(reflect.BothDir, kind.Elem()), 0)
	over, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	var first error
	go func() {
		defer close(done)
		cases := []reflect.SelectCase{
			{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(over.Done())},
			{Dir: reflect.SelectRecv, Chan: channel},
		}
		for {
			from, part, ok := reflect.Select(cases)
			if from == 0 || !ok {
				return
			}
			if err := send(part.Interface()); first == nil {
				first = err // receive and drop further parts, so that the function does not hang
			}
		}
	}()
	// Do not close the channel: a goroutine that the function has left running would panic in the
	// next activation. The function may close it.
	return channel.Convert(kind), func() error {
		stop()
		<-done
		return first
	}
}
