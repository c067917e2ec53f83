package kexec

import (
	"slices"
	"testing"
)

func TestParseConsoles(t *testing.T) {
	for _, tt := range []struct {
		name, cmdline, active string
		want                  []Console
	}{
		{"nothing known", "quiet\n", "", nil},
		{"active without options", "quiet", "tty0\n", []Console{{"tty0", ""}}},
		{"active decides the order", "console=ttyS0,115200n8 console=tty0", "tty0 ttyS0\n",
			[]Console{{"tty0", ""}, {"ttyS0", "115200n8"}}},
		{"active decides what exists", "console=ttyS0,115200 console=ttyS3,9600", "ttyS0\n", []Console{{"ttyS0", "115200"}}},
		{"command line alone", "console=tty0 quiet console=ttyS0,115200n8r\n", "",
			[]Console{{"tty0", ""}, {"ttyS0", "115200n8r"}}},
		{"options with commas", "console=uart8250,io,0x3f8,9600", "", []Console{{"uart8250", "io,0x3f8,9600"}}},
		{"named twice: first options, last place", "console=ttyS0,9600 console=tty0 console=ttyS0,115200", "",
			[]Console{{"tty0", ""}, {"ttyS0", "9600"}}},
		{"quoted", `"console=ttyS0,9600" console="hvc0"`, "", []Console{{"ttyS0", "9600"}, {"hvc0", ""}}},
		{"no console", "console= console=null console=ttynull", "", nil},
		{"no console, active", "console=null", "ttynull\n", nil},
		{"names only", "console=hvc0 console=netcon0", "hvc0 netcon0", []Console{{"hvc0", ""}, {"netcon0", ""}}},
		{"for init", "console=tty0 -- console=ttyS0", "", []Console{{"tty0", ""}}},
		{"other words", "consoleblank=0 earlycon=ttyS0 console", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ParseConsoles(tt.cmdline, tt.active); !slices.Equal(got, tt.want) {
				t.Errorf("ParseConsoles(%q, %q) = %v, want %v", tt.cmdline, tt.active, got, tt.want)
			}
		})
	}
}
