package boot

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/kexec"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/status"
)

func report(t *testing.T, edit func(fstest.MapFS)) *status.Report {
	t.Helper()
	m := fstest.MapFS{
		"system/active/kernel.img": {Data: kexectest.Kernel("6.1.0-active")},
		"system/active/initrd.img": {Data: []byte("the initrd")},
		"system/active/kernel.arg": {Data: []byte("quiet console=tty3\nroot=/dev/ram0 # comment\n")},
		"system/active/kernel.ver": {Data: []byte("1.3.124\n")},
		"system/backup/kernel.img": {Data: kexectest.Kernel("6.1.0-backup")},
		"system/backup/kernel.ver": {Data: []byte("1.3.123\n")},
		"cfg/system.arg":           {Data: []byte("net.ifnames=0\n")},
	}
	if edit != nil {
		edit(m)
	}
	r, err := status.Read(status.Target{FS: m, Name: "test", Word: "sda2"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// machine is a Machine that records what reached it and can fail at one place.
type machine struct {
	failAt         string
	kernel, initrd string
	line           string
	loaded         bool
	released       int // Release calls minus restores
}

var errMachine = errors.New("the machine says no")

func (m *machine) at(step string) error {
	if m.failAt == step {
		return errMachine
	}
	return nil
}

func (m *machine) Load(kernel, initrd *os.File, line string) (kexec.Method, error) {
	var method kexec.Method
	if err := m.at("load"); err != nil {
		return method, err
	}
	m.kernel, m.line, m.loaded = content(kernel), line, true
	if initrd != nil {
		m.initrd = content(initrd)
	}
	return method, nil
}

func content(f *os.File) string {
	b, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (m *machine) Unload() error { m.loaded = false; return nil }

func (m *machine) Release(Plan) (func() error, error) {
	m.released++
	return func() error { m.released--; return nil }, m.at("release")
}

func (m *machine) Jump() error {
	if m.failAt == "" {
		return errors.New("a jump that came back")
	}
	return m.at("jump")
}

var consoles = []kexec.Console{{Name: "ttyS0", Options: "115200"}, {Name: "tty0"}}

func TestPlanComposes(t *testing.T) {
	p, err := Request{Report: report(t, nil), Image: "active", Consoles: consoles, Operator: "ttyS0", Append: "single"}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	want := "quiet root=/dev/ram0 console=tty0 console=ttyS0,115200 net.ifnames=0 panic=1 flash=sda2 img=active single"
	if got := p.CommandLine.String(); got != want {
		t.Errorf("command line\n got %s\nwant %s", got, want)
	}
	text := p.String()
	for _, want := range []string{"active, version 1.3.124", "system/active/kernel.img (6.1.0-active)", "system/active/initrd.img", "ttyS0", "img=active"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan does not say %q:\n%s", want, text)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	kernel := "system/active/kernel.img"
	tests := []struct {
		name  string
		image string
		edit  func(fstest.MapFS)
		kind  ops.Kind
		says  string
	}{
		{"no such image", "pending", nil, ops.Usage, `no image "pending"`},
		{"empty slot", "factory", nil, ops.Invalid, "empty"},
		{"absent kernel", "active", func(m fstest.MapFS) { delete(m, kernel) }, ops.Invalid, "no usable kernel.img"},
		{"empty kernel", "active", func(m fstest.MapFS) { m[kernel].Data = nil }, ops.Invalid, "no usable kernel.img"},
		{"text for a kernel", "active", func(m fstest.MapFS) { m[kernel].Data = []byte("#!/bin/sh\necho hello\n") }, ops.Invalid, "kernel.img: "},
		{"half a kernel", "active", func(m fstest.MapFS) { m[kernel].Data = m[kernel].Data[:1500] }, ops.Invalid, "truncated"},
		{"endless arguments", "active", func(m fstest.MapFS) {
			m["system/active/kernel.arg"].Data = []byte(strings.Repeat("word ", 1000))
		}, ops.Invalid, "compose the command line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Request{Report: report(t, tt.edit), Image: tt.image}.Plan()
			var e *ops.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("Plan = %v, want kind %d saying %q", err, tt.kind, tt.says)
			}
			if tt.kind == ops.Invalid && tt.image == "active" && tt.name != "endless arguments" && e.Hint != "boot backup instead" {
				t.Errorf("hint %q", e.Hint)
			}
		})
	}
}

func TestApplyHandsOver(t *testing.T) {
	p, err := Request{Report: report(t, nil), Image: "active", Consoles: consoles}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{failAt: "jump"}
	if err := p.Apply(context.Background(), m, ops.Discard); !errors.Is(err, errMachine) {
		t.Errorf("Apply = %v", err)
	}
	if m.kernel != string(kexectest.Kernel("6.1.0-active")) || m.initrd != "the initrd" || m.line != p.CommandLine.String() {
		t.Errorf("loaded a kernel of %d bytes, initrd %q, line %q", len(m.kernel), m.initrd, m.line)
	}
}

// TestApplyFails holds Apply to its word: when the hand-over fails, the machine is as before.
func TestApplyFails(t *testing.T) {
	for _, step := range []string{"load", "release", "jump"} {
		p, err := Request{Report: report(t, nil), Image: "backup"}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{failAt: step}
		err = p.Apply(context.Background(), m, ops.Discard)
		if !errors.Is(err, errMachine) || ops.ExitCode(err) != int(ops.Internal) {
			t.Errorf("%s: Apply = %v, exit code %d", step, err, ops.ExitCode(err))
		}
		if m.loaded || m.released != 0 {
			t.Errorf("%s: left loaded %v, released %d", step, m.loaded, m.released)
		}
	}
}

func TestApplyChecksHashesFirst(t *testing.T) {
	r := report(t, func(m fstest.MapFS) {
		m["system/backup/SHA256SUMS"] = &fstest.MapFile{Data: []byte(strings.Repeat("00", 32) + "  kernel.img\n")}
	})
	p, err := Request{Report: r, Image: "backup"}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{failAt: "jump"}
	err = p.Apply(context.Background(), m, ops.Discard)
	if ops.ExitCode(err) != int(ops.Invalid) || !strings.Contains(err.Error(), "kernel.img: hash differs") || m.line != "" {
		t.Errorf("Apply = %v (exit %d), loaded %q", err, ops.ExitCode(err), m.line)
	}
}

func TestApplyCancelled(t *testing.T) {
	p, err := Request{Report: report(t, nil), Image: "active"}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m := &machine{}
	if err := p.Apply(ctx, m, ops.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %v, want context.Canceled", err)
	}
	if m.loaded || m.released != 0 {
		t.Errorf("cancelled, yet loaded %v, released %d", m.loaded, m.released)
	}
}

func TestPlanWarns(t *testing.T) {
	r := report(t, nil)
	img, _ := r.Image("backup")
	img, err := img.Verify(context.Background(), r.Target.FS, ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Request{Report: r.Verified(img), Image: "backup"}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"no manifest", "no initrd.img", "no console="} {
		if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("warnings %q lack %q", p.Warnings, want)
		}
	}
}
