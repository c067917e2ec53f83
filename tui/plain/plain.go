// Package plain is the console without a full screen: a numbered menu, read line by line, that works
// on whatever can print text. It comes when the full-screen console cannot be kept alive, so it
// shares nothing with it but the operations. It sends no escape sequence, and leaves echo and
// correction to the terminal, which must work by lines.
package plain

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"holdfast/flash"
	"holdfast/kexec"
	"holdfast/ops/archive"
	"holdfast/ops/boot"
	"holdfast/ops/grubdefault"
	"holdfast/ops/logs"
	"holdfast/ops/repair"
	flashuse "holdfast/ops/session"
	"holdfast/ops/status"
)

// Choice is how the operator left the menu.
type Choice int

// The choices.
const (
	Closed  Choice = iota // the input ended, or the context did
	Console               // the full-screen console again
	Shell                 // a shell on this terminal
	Reboot
	PowerOff
)

func (c Choice) String() string {
	return [...]string{"closed", "full-screen console again", "shell", "reboot", "power off"}[c]
}

// Options is what the menu works with.
type Options struct {
	In       io.Reader
	Out      io.Writer
	Version  string // of this program
	TTY      string // kernel name of the terminal; the next kernel's /dev/console after a boot
	Notice   func() string
	Report   func() (*status.Report, error) // asked anew each time the menu is shown
	Machine  boot.Machine
	Session  flashuse.Options                               // for what rewrites files of the flash
	Archives func(context.Context) ([]archive.Found, error) // on the volumes of the machine; what could not be looked at is an error beside them
	Consoles []kexec.Console                                // of the running kernel
	Kernel   func() ([]logs.Line, error)                    // the kernel's log
}

// Run shows the menu and does what is chosen, until the choice is to leave. A read of In that is
// still under way when ctx ends is left behind; whoever gave In closes it.
func Run(ctx context.Context, o Options) Choice {
	m := &session{Options: o, ctx: ctx, lines: readLines(ctx, o.In), planChange: planChange}
	return m.run()
}

func (m *session) run() Choice {
	for {
		items := m.show()
		if choice, left := m.choose(items); left {
			return choice
		}
	}
}

// session is one run of the menu.
type session struct {
	Options
	ctx        context.Context
	lines      <-chan string
	planChange func(grubdefault.Request) (change, error)
}

// item is one line of the menu that has a number.
type item struct {
	label string
	do    func()
	leave Choice // instead of do, when not Closed
	sure  bool   // leaves only after a yes
}

// printf prints text, of which nothing drives a terminal: names on the flash and in GRUB's files are
// whatever somebody, or a broken disk, made of them.
func (m *session) printf(format string, args ...any) {
	fmt.Fprint(m.Out, strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return '?'
	}, fmt.Sprintf(format, args...)))
}

// ask prints a question and reads the answer; false when there will be none.
func (m *session) ask(question string) (string, bool) {
	m.printf("%s", question)
	select {
	case line, ok := <-m.lines:
		return strings.TrimSpace(line), ok
	case <-m.ctx.Done():
		return "", false
	}
}

// confirmed asks for a whole word: a noisy line must not boot, reboot or switch off anything.
func (m *session) confirmed(what string) bool { return m.typed("yes", what) }

// typed asks for a word.
func (m *session) typed(word, what string) bool {
	answer, ok := m.ask("Type " + word + " to " + what + ", anything else to go back: ")
	if ok && answer == word {
		return true
	}
	m.printf("Nothing was done.\n")
	return false
}

// show prints the menu and gives what can be chosen.
func (m *session) show() []item {
	m.printf("\nHoldfast %s, plain menu on %s\n", m.Version, m.TTY)
	if n := m.Notice(); n != "" {
		m.printf("! %s\n", n)
	}
	items := append(m.images(),
		item{label: "kernel log", do: m.showLog},
		item{label: "shell", leave: Shell},
		item{label: "reboot", leave: Reboot, sure: true},
		item{label: "power off", leave: PowerOff, sure: true},
		item{label: "full-screen console again", leave: Console},
	)
	m.printf("\n")
	for n, i := range items {
		m.printf("%3d  %s\n", n+1, i.label)
	}
	return items
}

// choose does what is chosen until the operator leaves or wants to see the menu again. It is not
// shown anew after every choice: it would push the answer off the screen, slowly.
func (m *session) choose(items []item) (Choice, bool) {
	for {
		answer, ok := m.ask("Number, or Enter for the menu: ")
		if !ok {
			return Closed, true
		}
		if answer == "" {
			return Closed, false
		}
		n, err := strconv.Atoi(answer)
		if err != nil || n < 1 || n > len(items) {
			// Not even the answer is repeated: a noisy line would be talking to itself.
			m.printf("There is no such number.\n")
			continue
		}
		switch chosen := items[n-1]; {
		case chosen.leave == Closed:
			chosen.do()
		case !chosen.sure || m.confirmed(chosen.label):
			return chosen.leave, true
		}
	}
}

// images prints what is on the flash and gives an item for each image.
func (m *session) images() []item {
	r, err := m.Report()
	if err != nil {
		m.printf("flash: ")
		m.explain(err)
		return nil
	}
	m.printf("flash %s%s\n", r.Target.Name, about(r.Target))
	for _, p := range r.Problems {
		m.printf("! %s\n", p)
	}
	if p, err := m.planRepair(r, ""); err == nil && !p.Nothing() {
		m.printf("! %s\n", repair.Reason(p.Lines()))
	}
	m.printf("next boot %s\n", nextBoot(r.Boot))
	if said := repair.Said(r, r.Record.Last); said != "" {
		m.printf("last %s\n", said)
	}
	var items []item
	for _, img := range r.Images {
		items = append(items, item{label: "boot " + describe(img), do: func() { m.boot(r, img.Name) }})
		for _, p := range img.Problems {
			m.printf("! %s: %s\n", img.Name, p)
		}
	}
	items = append(items, item{label: "change the boot default", do: func() { m.changeDefault(r) }})
	return append(items, item{label: "install, exchange, remove or verify images", do: func() { m.changeImages(r) }})
}

func about(t status.Target) string {
	var parts []string
	for _, s := range []string{t.Type, t.Access} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// describe is an image on one line: name, version, kernel, size, state.
func describe(i status.Image) string {
	if !i.Present {
		return fmt.Sprintf("%-8s empty", i.Name)
	}
	state := i.Integrity.String()
	switch {
	case i.Broken != "":
		state = "cannot boot"
	case i.Integrity == flash.Unknown:
		state = "not checked yet" // a boot does it
	}
	switch e := i.Entry; {
	case e.State == flash.Trial:
		state += fmt.Sprintf(", trial %d left", e.Tries)
	case e.State != flash.Untold:
		state += ", " + e.State.String()
	}
	return strings.TrimRight(fmt.Sprintf("%-8s %-12s %-22s %8s  %s",
		i.Name, orDash(i.Version), orDash(i.Header.Version), size(i.Size), state), " ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// explain prints an error, and what to do about it where that is known.
func (m *session) explain(err error) {
	m.printf("%v\n", err)
	if hint := hintOf(err); hint != "" {
		m.printf("hint: %s\n", hint)
	}
}
