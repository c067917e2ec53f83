package terminal

import (
	"slices"
	"testing"
	"testing/fstest"
)

func sysfs(active, foreground string) fstest.MapFS {
	return fstest.MapFS{
		"class/tty/console/active": {Data: []byte(active)},
		"class/tty/tty0/active":    {Data: []byte(foreground)},
	}
}

var (
	tty0  = Console{Name: "tty0", Path: "/dev/tty0", Term: "linux", Unicode: true, Colour: true}
	ttyS0 = Console{Name: "ttyS0", Path: "/dev/ttyS0", Serial: true, Term: "vt100"}
)

func TestFind(t *testing.T) {
	tty1 := tty0
	tty1.Name, tty1.Path = "tty1", "/dev/tty1"
	hvc0 := ttyS0
	hvc0.Name, hvc0.Path = "hvc0", "/dev/hvc0"
	ttyS1 := ttyS0
	ttyS1.Name, ttyS1.Path, ttyS1.Width, ttyS1.Height, ttyS1.Baud, ttyS1.Term = "ttyS1", "/dev/ttyS1", 100, 30, 9600, "vt220"
	fast, sized := ttyS0, ttyS0
	fast.Baud = 115200
	sized.Width, sized.Height = 80, 24
	for _, test := range []struct {
		name, active, foreground, cmdline string
		want                              []Console
	}{
		{"screen and line", "tty0 ttyS0\n", "tty1\n", "quiet", []Console{tty0, ttyS0}},
		{"one screen, two names", "tty0 tty1 ttyS0\n", "tty1\n", "", []Console{tty1, ttyS0}},
		{"two screens", "tty0 tty1\n", "tty2\n", "", []Console{tty0, tty1}},
		{"nobody types there", "ttynull0 lp0 hvc0\n", "", "", []Console{hvc0}},
		{"nothing", "", "", "", nil},
		{"corrected", "tty0 ttyS0", "tty1", "holdfast.tty=ttyS0,115200", []Console{tty0, fast}},
		{"added", "tty0", "tty1", "a holdfast.tty=ttyS1,100x30,vt220,9600 b", []Console{tty0, ttyS1}},
		{"twice", "ttyS0", "", "holdfast.tty=ttyS0,100x30 holdfast.tty=ttyS0,80x24", []Console{sized}},
		{"a size that cannot be is a TERM of no use, not a size", "ttyS0", "", "holdfast.tty=ttyS0,0x0,vt100", []Console{ttyS0}},
		{"no path out of /dev", "ttyS0", "", "holdfast.tty=../etc/passwd holdfast.tty= holdfast.tty=,80x24", []Console{ttyS0}},
	} {
		got := Find(sysfs(test.active, test.foreground), test.cmdline)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: Find = %+v, want %+v", test.name, got, test.want)
		}
	}
	if got := Find(fstest.MapFS{}, ""); got != nil {
		t.Errorf("without sysfs: Find = %+v, want none", got)
	}
}

func TestHost(t *testing.T) {
	for _, test := range []struct {
		env                  []string
		term                 string
		unicode, colour, alt bool
	}{
		{[]string{"TERM=xterm-256color", "LANG=en_US.UTF-8"}, "xterm-256color", true, true, true},
		{[]string{"TERM=xterm", "LANG=en_US.UTF-8", "LC_ALL=C"}, "xterm", false, true, true},
		{[]string{"TERM=xterm", "NO_COLOR=1"}, "xterm", false, false, true},
		{[]string{"TERM=dumb"}, "vt100", false, false, false},
		{nil, "vt100", false, false, false},
	} {
		c := Host(test.env)
		if c.Term != test.term || c.Unicode != test.unicode || c.Colour != test.colour || c.AltScreen != test.alt || c.Serial {
			t.Errorf("Host(%q) = %+v", test.env, c)
		}
	}
}
