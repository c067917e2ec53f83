package pid1

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/cmd/holdfast/stage"
)

// TestSupervisor runs the loop with made-up processes on a made-up clock.
func TestSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started []string
		begin := time.Now()
		ends := map[job]chan outcome{}
		signals := make(chan os.Signal)
		var crashed string
		s := &supervisor{
			policy: newPolicy([]string{"tty0", "ttyS0"}),
			start: func(j job) (handle, error) {
				started = append(started, fmt.Sprintf("%v at %v", j, time.Since(begin)))
				if j.tty == "tty0" {
					return handle{}, errors.New("no such terminal")
				}
				done := make(chan outcome, 1)
				ends[j] = done
				return handle{done, func() { done <- outcome{wait: syscall.WaitStatus(syscall.SIGHUP)} }}, nil
			},
			now:     time.Now,
			signals: signals,
			report:  func(string) {},
			crashed: func(reason string) { crashed = reason },
		}
		end := make(chan ending)
		go func() { end <- s.run(s.policy.begin(""), func() {}) }()
		next := func(j job, o outcome) {
			synctest.Wait()
			ends[j] <- o
		}
		next(theScreen, segv)
		next(theScreen, segv)
		next(theScreen, segv)
		synctest.Wait()
		time.Sleep(4 * time.Second) // tty0 is tried at 0, 1 and 3 seconds
		next(job{menu, "ttyS0"}, exited(stage.ExitConsole))
		synctest.Wait()
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGCHLD, syscall.SIGUSR2} {
			signals <- sig
		}
		if got := <-end; got != powerOff {
			t.Errorf("run = %v, want %v", got, powerOff)
		}
		want := []string{"console at 0s", "console at 0s", "console at 0s",
			"plain menu on tty0 at 0s", "plain menu on ttyS0 at 0s",
			"plain menu on tty0 at 1s", "plain menu on tty0 at 3s", "console at 4s"}
		if !slices.Equal(started, want) {
			t.Errorf("started %q, want %q", started, want)
		}
		if want := "the console ended 3 times within 1m0s, the last time: killed by: segmentation fault"; crashed != want {
			t.Errorf("reason %q, want %q", crashed, want)
		}
		ends[theScreen] <- segv // after the end of run nobody minds
		time.Sleep(time.Hour)   // what was ordered for later comes to nothing
	})
}
