package logs

import (
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseRecord(t *testing.T) {
	for _, c := range []struct {
		name, record string
		want         Line
	}{
		{"plain", "6,339,5140900,-;NET: Registered protocol family 10\n",
			Line{5140900 * time.Microsecond, 6, "NET: Registered protocol family 10"}},
		{"facility", "30,340,5690716,-;udevd[80]: starting version 181\n",
			Line{5690716 * time.Microsecond, 6, "udevd[80]: starting version 181"}},
		{"dictionary", "7,160,424069,-;pci_root PNP0A03:00: host bridge window\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n",
			Line{424069 * time.Microsecond, 7, "pci_root PNP0A03:00: host bridge window"}},
		{"more fields", "4,1,2,c,caller=T1;x\n", Line{2 * time.Microsecond, 4, "x"}},
		{"semicolon in text", "4,1,2,-;a;b", Line{2 * time.Microsecond, 4, "a;b"}},
		{"escaped backslash", `4,1,2,-;a\x5cb`, Line{2 * time.Microsecond, 4, `a\b`}},
		{"escaped escape", `4,1,2,-;red\x1b[31m\x07`, Line{2 * time.Microsecond, 4, "red[31m"}},
		{"escaped newline", `4,1,2,-;a\x0ab`, Line{2 * time.Microsecond, 4, "a b"}},
		{"UTF-8", `4,1,2,-;\xc3\xa4`, Line{2 * time.Microsecond, 4, "ä"}},
		{"no UTF-8", `4,1,2,-;\xff!`, Line{2 * time.Microsecond, 4, "?!"}},
		{"half an escape", `4,1,2,-;\x4`, Line{2 * time.Microsecond, 4, `\x4`}},
		{"no escape", `4,1,2,-;\xzz`, Line{2 * time.Microsecond, 4, `\xzz`}},
		{"empty text", "4,1,2,-;", Line{2 * time.Microsecond, 4, ""}},
	} {
		got, err := parseRecord(c.record)
		if err != nil || got != c.want {
			t.Errorf("%s: parseRecord(%q) = %+v, %v, want %+v", c.name, c.record, got, err, c.want)
		}
	}
}

func TestParseRecordErrors(t *testing.T) {
	for _, record := range []string{"", ";", "4,1;x", "a,1,2;x", "4,1,b;x", "4,1,-2;x", "4,1,2", "4,1,99999999999999999999;x"} {
		if got, err := parseRecord(record); err == nil {
			t.Errorf("parseRecord(%q) = %+v, want an error", record, got)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("6,339,5140900,-;NET: Registered\n SUBSYSTEM=acpi\n")
	f.Add(`4,1,2,c,caller=T1;\x1b[2J\x5c\xff`)
	f.Add("4,1,2,-;\u202e\u2028")
	f.Fuzz(func(t *testing.T, record string) {
		line, err := parseRecord(record)
		if err != nil {
			return
		}
		if line.Level < 0 || line.Level > 7 || line.At < 0 {
			t.Errorf("parseRecord(%q) = %+v", record, line)
		}
		if !utf8.ValidString(line.Text) || strings.ContainsFunc(line.Text, drives) {
			t.Errorf("parseRecord(%q): %q drives a terminal", record, line.Text)
		}
	})
}

// TestKernel compares with dmesg of util-linux. Lines may come between the two looks, so each of
// dmesg's must be among ours, in its order.
func TestKernel(t *testing.T) {
	dmesg, err := exec.LookPath("dmesg")
	if err != nil {
		t.Fatal("dmesg is missing: apt-get install util-linux")
	}
	out, err := exec.Command(dmesg, "--raw", "--since", "@0").CombinedOutput()
	if err != nil {
		out, err = exec.Command(dmesg, "--raw").CombinedOutput()
	}
	if err != nil {
		t.Skipf("this kernel lets nobody read its log here: %s", out)
	}
	ours, err := KernelNow()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	next := 0
	for _, raw := range lines {
		// <6>[    1.234567] text
		_, text, ok := strings.Cut(raw, "] ")
		if !ok || raw[0] != '<' {
			continue
		}
		text = printable(unescape(text))
		at := next
		// A message of several lines is one record; dmesg breaks it up.
		for at < len(ours) && !strings.HasPrefix(ours[at].Text, text) {
			at++
		}
		if at == len(ours) {
			t.Fatalf("dmesg has %q, KernelNow has not (or not there)", raw)
		}
		next = at + 1
	}
	if len(ours) < len(lines)/2 {
		t.Errorf("KernelNow gives %d lines, dmesg %d", len(ours), len(lines))
	}
	first := make(chan Line)
	go func() {
		defer close(first)
		c, err := Kernel(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		for line := range c {
			first <- line
			return
		}
	}()
	if got := <-first; got.At > ours[len(ours)-1].At {
		t.Errorf("Kernel begins with %+v, after the end of what was there", got)
	}
}
