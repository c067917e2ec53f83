package crashlab

import (
	"errors"
	"fmt"
	"time"
)

// Suffered is what came of an operation on a disk that failed.
type Suffered struct {
	Hit   bool     // the operation came as far as the fault
	Err   error    // of the operation
	Wrong []string // what the judges say of the disk afterwards
}

// Begin makes the disk that a scenario begins with, for Suffer.
func (l *Lab) Begin(s Scenario) ([]byte, error) { return l.begin(s) }

// Suffer runs a scenario on the disk image while requests fail, and judges what is on the disk once it works
// again. An operation that came back without an error must have done its work all the same.
func (l *Lab) Suffer(s Scenario, image []byte, f Fault) (r Suffered, err error) {
	watchdog := time.AfterFunc(limit, func() { l.disk.child.Process.Kill() })
	defer watchdog.Stop()
	if err := errors.Join(l.disk.Load(image), l.disk.Mount(s.Fixture.Type)); err != nil {
		return r, err
	}
	if _, err := l.disk.Fail(f); err != nil {
		return r, err
	}
	r.Err = s.Run(l.disk.Dir, s.Fixture.Type, func(string) {})
	requests, err := l.disk.Fail(Fault{})
	r.Hit = requests >= f.At
	if err := errors.Join(err, l.disk.Unmount()); err != nil {
		return r, fmt.Errorf("%s on %s, %v: %w", s.Name, s.Fixture.Type, f, err)
	}
	after, err := l.disk.Image()
	if err != nil {
		return r, err
	}
	load := func(image []byte) { copy(image, after) }
	r.Wrong = l.benches[0].judge(load, s.Law, r.Err == nil, s.Recover, unchecked, checked).wrong
	return r, nil
}
