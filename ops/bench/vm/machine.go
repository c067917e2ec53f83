package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// ErrExited is what every wait ends with when QEMU has ended.
var ErrExited = errors.New("the virtual machine has ended")

// Machine is a running virtual machine. Its methods may be called from any goroutine.
type Machine struct {
	dir     string
	cmd     *exec.Cmd
	output  bytes.Buffer // QEMU's own messages; complete once exited is closed
	exited  chan struct{}
	status  error // of the process; set before exited is closed
	monitor *monitor
	serials []*Serial
	vgaRead sync.Mutex // the machine stands still while its VGA memory is read
}

// Serial is the n-th serial line, from 0.
func (m *Machine) Serial(n int) *Serial { return m.serials[n] }

// Wait waits until QEMU has ended by itself: switched off, or rebooted with NoReboot. It is an
// error when QEMU failed or was killed.
func (m *Machine) Wait(ctx context.Context) error {
	select {
	case <-m.exited:
		if m.status != nil {
			return m.exitError()
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the virtual machine to end: %w%s", ctx.Err(), m.consoles())
	}
}

// Kill ends the machine at once, as pulling the plug would: what the guest has not flushed may or
// may not be on its disks. It returns when QEMU is gone.
func (m *Machine) Kill() error {
	err := m.cmd.Process.Kill()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the virtual machine: %w", err)
	}
	<-m.exited
	return nil
}

// Quit asks QEMU to write out its disk images and end, and waits until it has.
func (m *Machine) Quit(ctx context.Context) error {
	if err := m.monitor.run(ctx, "quit", nil, nil); err != nil && !errors.Is(err, ErrExited) {
		return err
	}
	return m.Wait(ctx)
}

// Reset presses the reset button.
func (m *Machine) Reset(ctx context.Context) error {
	return m.monitor.run(ctx, "system_reset", nil, nil)
}

// Plug connects a raw disk image to the running machine, as a virtio disk, under a name of QEMU's.
func (m *Machine) Plug(ctx context.Context, name, path string) error {
	drive := map[string]any{"node-name": name, "driver": "raw", "file": map[string]any{"driver": "file", "filename": path}}
	if err := m.monitor.run(ctx, "blockdev-add", drive, nil); err != nil {
		return err
	}
	return m.monitor.run(ctx, "device_add", map[string]any{"driver": "virtio-blk-pci", "id": name + "-disk", "drive": name}, nil)
}

// Close kills the machine if it still runs, and removes its sockets. The screens and logs of its
// serial lines remain. Calling it again does nothing.
func (m *Machine) Close() error {
	var err error
	if m.cmd != nil && m.cmd.Process != nil {
		err = m.Kill()
	}
	for _, s := range m.serials {
		s.close()
	}
	if m.monitor != nil {
		m.monitor.close()
	}
	return errors.Join(err, os.RemoveAll(m.dir))
}

// alive is a context that ends with QEMU.
func (m *Machine) alive() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-m.exited; cancel() }()
	return ctx
}

// exitError says how QEMU ended, and what it said. It waits for the end.
func (m *Machine) exitError() error {
	<-m.exited
	err := ErrExited
	if m.status != nil {
		err = fmt.Errorf("%w: %w", err, m.status)
	}
	if text := strings.TrimSpace(m.output.String()); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// consoles is what all serial lines showed last, for errors.
func (m *Machine) consoles() string {
	var b strings.Builder
	for _, s := range m.serials {
		b.WriteString(s.report())
	}
	return b.String()
}
