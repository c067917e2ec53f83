package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// monitor speaks QMP, the protocol of QEMU's monitor: JSON messages, one answer a command, and
// events at any time. See docs/interop/qmp-spec.txt and qapi/ in QEMU's source.
type monitor struct {
	conn net.Conn
	gone chan struct{} // closed when nothing can be read any more

	mu      sync.Mutex
	encoder *json.Encoder
	last    int // id of the last command
	waiting map[int]chan answer
}

type command struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
	ID        int    `json:"id"`
}

type answer struct {
	ID     *int            `json:"id"` // none: an event, or the greeting
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
}

func newMonitor(conn net.Conn) *monitor {
	q := &monitor{
		conn: conn, gone: make(chan struct{}),
		encoder: json.NewEncoder(conn), waiting: map[int]chan answer{},
	}
	go q.read()
	return q
}

// hello ends the negotiation that QMP starts with.
func (q *monitor) hello(ctx context.Context) error {
	return q.run(ctx, "qmp_capabilities", nil, nil)
}

func (q *monitor) read() {
	defer close(q.gone)
	decoder := json.NewDecoder(q.conn)
	for {
		var a answer
		if decoder.Decode(&a) != nil {
			return
		}
		if a.ID == nil {
			continue
		}
		q.mu.Lock()
		if reply, ok := q.waiting[*a.ID]; ok {
			reply <- a // has room for it
			delete(q.waiting, *a.ID)
		}
		q.mu.Unlock()
	}
}

// run runs a command with its arguments, a struct or map or nil, and decodes what it returns into
// result, unless that is nil.
func (q *monitor) run(ctx context.Context, name string, arguments, result any) error {
	id, reply, err := q.send(name, arguments)
	if err != nil {
		return fmt.Errorf("monitor command %s: %w", name, errors.Join(ErrExited, err))
	}
	defer q.forget(id)
	select {
	case a := <-reply:
		if a.Error != nil {
			return fmt.Errorf("monitor command %s: %s", name, a.Error.Desc)
		}
		if result == nil {
			return nil
		}
		if err := json.Unmarshal(a.Return, result); err != nil {
			return fmt.Errorf("monitor command %s: decode its answer: %w", name, err)
		}
		return nil
	case <-q.gone:
		return fmt.Errorf("monitor command %s: %w", name, ErrExited)
	case <-ctx.Done():
		return fmt.Errorf("monitor command %s: %w", name, ctx.Err())
	}
}

func (q *monitor) send(name string, arguments any) (id int, reply chan answer, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	reply = make(chan answer, 1)
	q.waiting[q.last] = reply
	return q.last, reply, q.encoder.Encode(command{Execute: name, Arguments: arguments, ID: q.last})
}

func (q *monitor) forget(id int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, id)
}

// human runs a command of the human monitor, for what QMP has no command for.
func (q *monitor) human(ctx context.Context, line string) (string, error) {
	var text string
	err := q.run(ctx, "human-monitor-command", map[string]string{"command-line": line}, &text)
	return text, err
}

func (q *monitor) close() { _ = q.conn.Close() }
