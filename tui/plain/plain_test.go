package plain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast/kexec"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/boot"
	"holdfast/ops/logs"
	"holdfast/ops/status"
)

// machine is a Machine that cannot be handed over.
type machine struct{ steps []string }

func (m *machine) Load(_, _ *os.File, line string) (kexec.Method, error) {
	m.steps = append(m.steps, "load "+line)
	return kexec.KexecFileLoad, nil
}
func (m *machine) Unload() error { m.steps = append(m.steps, "unload"); return nil }
func (m *machine) Jump() error   { m.steps = append(m.steps, "jump"); return errors.New("no way") }
func (m *machine) Release(boot.Plan) (func() error, error) {
	m.steps = append(m.steps, "release")
	return func() error { m.steps = append(m.steps, "restore"); return nil }, nil
}

func options() Options {
	files := fstest.MapFS{
		"system/active/kernel.img": {Data: kexectest.Kernel("6.1.0-active")},
		"system/active/initrd.img": {Data: make([]byte, 3<<20)},
		"system/active/kernel.ver": {Data: []byte("1.3.124\n")},
		"system/active/kernel.arg": {Data: []byte("quiet\n")},
		"system/backup/kernel.img": {Data: []byte("text\n")},
		"system/backup/kernel.ver": {Data: []byte("1.3.123\n")},
		"cfg/system.arg":           {},
		"boot/grub/menu.lst":       {Data: []byte(menuList)},
		"firmware/kernel.img":      {Data: kexectest.Kernel("6.1.0-maintenance")},
		"boot/grub/default":        {Data: []byte("0\n##########\n")},
	}
	return Options{
		Version: "1.0",
		TTY:     "ttyS0",
		Notice:  func() string { return "" },
		Report: func() (*status.Report, error) {
			return status.Read(status.Target{FS: files, Name: "sda2", Type: "ext2", Access: "ro", Word: "sda2", GRUB: status.Place{FS: files}})
		},
		Machine:  &machine{},
		Consoles: []kexec.Console{{Name: "ttyS0", Options: "9600"}, {Name: "tty0"}},
		Kernel:   func() ([]logs.Line, error) { return kernelLines(45), nil },
	}
}

func kernelLines(n int) (lines []logs.Line) {
	for i := range n {
		lines = append(lines, logs.Line{At: time.Duration(i) * time.Second, Text: fmt.Sprintf("line %d", i)})
	}
	return lines
}

// dialog runs the menu with these keys and gives what it printed.
func dialog(o Options, keys string) (Choice, string) {
	var out bytes.Buffer
	o.In, o.Out = strings.NewReader(keys), &out
	choice := Run(context.Background(), o)
	return choice, out.String()
}

const menu = `
Holdfast 1.0, plain menu on ttyS0
flash sda2 (ext2, ro)
next boot active, active, maintenance
! backup: kernel.img: not a bzImage: only 5 bytes

  1  boot active   1.3.124      6.1.0-active            3.0 MiB  not checked yet
  2  boot backup   1.3.123      -                         1 KiB  cannot boot
  3  boot factory  empty
  4  change the boot default
  5  install, exchange, remove or verify images
  6  kernel log
  7  shell
  8  reboot
  9  power off
 10  full-screen console again
Number, or Enter for the menu: `

func TestMenu(t *testing.T) {
	if _, got := dialog(options(), ""); got != menu {
		t.Errorf("menu:\n%s\nwant:\n%s", got, menu)
	}
	if _, got := dialog(options(), "\n"); got != menu+menu {
		t.Errorf("after Enter:\n%s\nwant the menu twice", got)
	}
}

func TestChoices(t *testing.T) {
	for _, c := range []struct {
		keys string
		want Choice
	}{
		{"", Closed},
		{"7", Closed}, // not finished
		{"7\n", Shell},
		{"8\ryes\r", Reboot},
		{"9\r\nyes\r\n", PowerOff},
		{"8\r", Closed}, // noise is no answer
		{"9\r9\r\r8\ny\n8\nYES\n9\nyes9\n", Closed},
		{"8\nno\n9\nyes\n", PowerOff},
		{"8\nyes", Closed},
		{" 10 \n", Console},
		{"0\n-1\n11\n99999999999999999999\nx\n\x1b[A\n\x00\xff\n8\nyes\n", Reboot},
		{strings.Repeat("8", 1000) + "\n10\n", Console},
		{"3\n2\n9\nyes\n", PowerOff}, // what cannot boot leads back
		{"1\nno\n9\nyes\n", PowerOff},
		{"5\n9\nyes\n\n9\nyes\n", PowerOff}, // a number that the images have not, and is not taken for another
		{"6\nq\n8\nyes\n", Reboot},
	} {
		if got, out := dialog(options(), c.keys); got != c.want {
			t.Errorf("keys %.40q: %v, want %v\n%s", c.keys, got, c.want, out)
		}
	}
}

func TestBoot(t *testing.T) {
	for _, c := range []struct {
		name, keys string
		want       []string
		steps      []string
	}{
		{"yes", "1\nyes\n",
			[]string{"boot     active, version 1.3.124", "line     quiet", "Type yes to boot", "loaded by kexec_file_load", "not booted: hand the machine over: no way"},
			[]string{"load quiet console=tty0 console=ttyS0,9600 panic=1 flash=sda2 img=active", "release", "jump", "restore", "unload"}},
		{"y", "1\ny\n", []string{"Nothing was done."}, nil},
		{"Yes", "1\nYes\n", []string{"Nothing was done."}, nil},
		{"nothing", "1\n\n", []string{"Nothing was done."}, nil},
		{"end", "1\nyes", []string{"Nothing was done."}, nil},
		{"no kernel", "2\n", []string{"not booted: backup: kernel.img: not a bzImage", "hint: boot active instead"}, nil},
		{"no kernel, noise", "2\nyes\n", []string{"There is no such number."}, nil},
		{"empty", "3\n", []string{"not booted: factory: empty"}, nil},
	} {
		o, m := options(), &machine{}
		o.Machine = m
		_, out := dialog(o, c.keys)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: printed\n%s\nwithout %q", c.name, out, want)
			}
		}
		if !slices.Equal(m.steps, c.steps) {
			t.Errorf("%s: the machine did %q, want %q", c.name, m.steps, c.steps)
		}
	}
}

func TestLog(t *testing.T) {
	for _, c := range []struct {
		name, keys string
		lines      int
		want       []string // lines that begin or end a page, in order
		not        string
	}{
		{"end", "6\nq\n", 45, []string{"[   25.000000] line 25\n", "line 44\nEnter"}, "line 24\n"},
		{"two pages", "6\n\nq\n", 45, []string{"line 44\nEnter", "] line 5\n", "line 24\nEnter"}, "] line 4\n"},
		{"all", "6\n\n\n", 45, []string{"] line 0\n", "] line 4\nThat is the beginning."}, "line 45"},
		{"short", "6\n", 3, []string{"] line 0\n", "] line 2\nThat is the beginning."}, "Enter for what"},
		{"empty", "6\n", 0, nil, "beginning"},
	} {
		o := options()
		o.Kernel = func() ([]logs.Line, error) { return kernelLines(c.lines), nil }
		_, out := dialog(o, c.keys)
		rest := out
		for _, want := range c.want {
			_, after, ok := strings.Cut(rest, want)
			if !ok {
				t.Errorf("%s: printed\n%s\nwithout %q in its place", c.name, out, want)
			}
			rest = after
		}
		if strings.Contains(out, c.not) {
			t.Errorf("%s: printed\n%s\nwith %q", c.name, out, c.not)
		}
	}
}

// TestTrouble: nothing that fails takes the rest of the menu away.
func TestTrouble(t *testing.T) {
	o := options()
	o.Notice = func() string { return "the console ended" }
	o.Report = func() (*status.Report, error) {
		return nil, &ops.Error{Kind: ops.NoFlash, Err: errors.New("there is no disk"), Hint: "connect one"}
	}
	o.Kernel = func() ([]logs.Line, error) { return nil, errors.New("not allowed") }
	choice, out := dialog(o, "1\n3\nyes\n")
	for _, want := range []string{"! the console ended\n", "flash: there is no disk\n", "hint: connect one\n",
		"  1  kernel log\n", "kernel log: not allowed\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("printed\n%s\nwithout %q", out, want)
		}
	}
	if choice != Reboot {
		t.Errorf("choice %v, want %v", choice, Reboot)
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe() // nobody types
	defer w.Close()
	o := options()
	o.In, o.Out = r, writer(func(b []byte) {
		if strings.Contains(string(b), "Number") {
			cancel()
		}
	})
	if got := Run(ctx, o); got != Closed {
		t.Errorf("Run = %v, want %v", got, Closed)
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"a\nb\n", []string{"a", "b"}},
		{"a\rb\r", []string{"a", "b"}},
		{"a\r\nb\r\n", []string{"a", "b"}},
		{"\n\r\r\n\n", []string{"", "", "", ""}},
		{"a\nunfinished", []string{"a"}},
		{strings.Repeat("x", maxLine+1) + "\nb\n", []string{strings.Repeat("x", maxLine), "b"}},
	} {
		var got []string
		for line := range readLines(t.Context(), strings.NewReader(c.in)) {
			got = append(got, line)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("lines of %.40q = %.80q, want %.80q", c.in, got, c.want)
		}
	}
}

// FuzzMenu types anything: the menu neither panics, nor boots, nor sends what drives a terminal.
func FuzzMenu(f *testing.F) {
	f.Add("1\nyes \n2\n3\n4\n1\n5\n\n\n\n6\n")
	f.Add("\x1b[A\r\n\x00\xff6")
	f.Fuzz(func(t *testing.T, keys string) {
		o, m := options(), &machine{}
		o.Machine = m
		choice, out := dialog(o, keys)
		if i := strings.IndexFunc(out, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == '\uFFFD' }); i >= 0 {
			t.Errorf("keys %q: printed %q", keys, out[i:])
		}
		left := choice == Reboot || choice == PowerOff
		if (left || len(m.steps) > 0) && !strings.Contains(keys, "yes") {
			t.Errorf("keys %q: %q, %v", keys, m.steps, choice)
		}
	})
}
