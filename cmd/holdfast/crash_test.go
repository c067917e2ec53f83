package main

import (
	"context"
	"strings"
	"testing"

	"holdfast/ops/bench/vm"
)

// killConsole kills the console process from a shell, as a fault of its own would.
const killConsole = `for p in /proc/[0-9]*; do grep -q -- --stage $p/cmdline && kill -SEGV ${p#/proc/}; done`

// TestConsoleCrashes kills the console of the real stage: once, and it comes back saying so; again
// and again, and plain menus come, on every console; PID 1 lives through it all.
func TestConsoleCrashes(t *testing.T) {
	t.Parallel()
	ctx, m := bootDisk(t, makeDisk(t, "grub-legacy", "console=tty0 console=ttyS0,115200"))
	line := m.Serial(0)
	must(t, line.WaitScreen(ctx, showsAll(append(imagesShown, imagesFooter)...)))

	shellOnSerial(t, ctx, line)
	shellRun(t, ctx, line, killConsole)
	must(t, m.WaitVGAScreen(ctx, showsAll(append(imagesShown, "the console ended")...)))

	// The shell outlives the console that it was started from, which leaves the line to it. It kills
	// the next two; with the third the plain menu takes the line.
	must(t, line.Type("sleep 1; "+killConsole+"; sleep 2; "+killConsole+"\r"))
	must(t, m.WaitVGA(ctx, "full-screen console again"))
	must(t, m.WaitVGA(ctx, "1.3.123"))
	must(t, line.Wait(ctx, "full-screen console again"))
	must(t, m.WaitVGAScreen(ctx, func(s vm.Screen) bool { return !s.Contains("boots with") })) // of the dead frame
	must(t, m.SendText(ctx, "1\n"))                                                            // the first image; its plan, and a question
	must(t, m.WaitVGA(ctx, "img=active"))
}

// shellOnSerial leaves the full screen on the serial line for a shell.
func shellOnSerial(t *testing.T, ctx context.Context, line *vm.Serial) {
	t.Helper()
	must(t, line.Press("q"))
	must(t, line.Wait(ctx, "> back to the images"))
	must(t, line.Press("down"))
	must(t, line.Wait(ctx, "> shell on this console"))
	must(t, line.Press("enter"))
	must(t, line.Expect(ctx, "built-in shell"))
	must(t, line.Expect(ctx, "# ")) // before its prompt an interrupt would end it
}

// shellRun types a command and waits for its end.
func shellRun(t *testing.T, ctx context.Context, line *vm.Serial, command string) {
	t.Helper()
	must(t, line.Type(command+"; echo SHELL''RAN\r"))
	must(t, line.Expect(ctx, "SHELLRAN"))
}

// TestShellAndBack: the shell has the terminal to itself, with its interrupt key, and the console is
// whole when it ends. It also says what of the command line it does not heed.
func TestShellAndBack(t *testing.T) {
	t.Parallel()
	ctx, m := bootDisk(t, makeDisk(t, "grub-legacy", bothConsoles+" holdfast.autoboot=soon"))
	line := m.Serial(0)
	must(t, line.WaitScreen(ctx, showsAll(append(imagesShown, imagesFooter, "holdfast.autoboot=soon is not heeded")...)))
	for range 2 {
		shellOnSerial(t, ctx, line)
		// The echo comes from the process that sleeps then: ash loses an interrupt that finds it about to start one.
		must(t, line.Type("sh -c \"echo SLE''EPS; exec sleep 1000000\"\r"))
		must(t, line.Expect(ctx, "SLEEPS"))
		must(t, line.Press("ctrl-c"))
		shellRun(t, ctx, line, "echo $((6*7)); stty -a")
		if !strings.Contains(string(line.Bytes()), "\n42") {
			t.Error("the shell does not compute")
		}
		must(t, line.Type("exit\r"))
		must(t, line.WaitScreen(ctx, showsAll(append(imagesShown, imagesFooter)...)))
		must(t, line.Press("down", "up"))
	}
}
