package vm

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
)

// run starts QEMU and waits for its end in the background. QEMU is killed when this process dies,
// also when a test is killed. The kernel ties that to the thread that started QEMU, so the thread
// is kept until QEMU has ended.
func (m *Machine) run(ctx context.Context) error {
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := m.cmd.Start()
		started <- err
		if err == nil {
			m.status = m.cmd.Wait()
			if m.status != nil && ctx.Err() != nil {
				m.status = fmt.Errorf("%w: %v", ctx.Err(), m.status)
			}
			close(m.exited)
		}
	}()
	return <-started
}
