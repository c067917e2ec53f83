package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	flashaccess "holdfast/flash/access"
	"holdfast/kexec"
	"holdfast/ops"
	imagearchive "holdfast/ops/archive"
	"holdfast/ops/arrange"
	"holdfast/ops/boot"
	"holdfast/ops/confirm"
	"holdfast/ops/install"
	"holdfast/ops/repair"
	"holdfast/ops/rotate"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// rig is a machine on which nothing boots.
type rig struct{ jumps int }

func (*rig) Load(_, _ *os.File, _ string) (kexec.Method, error) { return kexec.Method(0), nil }
func (*rig) Unload() error                                      { return nil }
func (*rig) Release(boot.Plan) (restore func() error, err error) {
	return func() error { return nil }, nil
}
func (r *rig) Jump() error { r.jumps++; return errors.New("no jump here") }

// read looks at a flash as a command does.
func read(t testing.TB, flashName string) (*app, *status.Report) {
	t.Helper()
	a := &app{flash: flashName, trust: "/etc/holdfast", in: strings.NewReader(""), out: io.Discard, err: io.Discard, commandLine: func() string { return "" }}
	r, err := a.report()
	must(t, err)
	return a, r
}

// bootOnce boots a slot as the console does, as far as the jump.
func bootOnce(t testing.TB, flashName, slot string) {
	t.Helper()
	a, r := read(t, flashName)
	p, err := boot.Request{Report: r, Image: slot, Session: a.session()}.Plan()
	must(t, err)
	m := &rig{}
	if err := p.Apply(t.Context(), m, ops.Discard); err == nil || m.jumps != 1 {
		t.Fatalf("boot: %v after %d jumps", err, m.jumps)
	}
}

// TestTrialRunsOut: an image that does not confirm in its tries is rolled back, and the reason is told.
func TestTrialRunsOut(t *testing.T) {
	for loader, backup := range map[string]string{"grub-legacy": "2", "grub2": "2"} {
		t.Run(loader, func(t *testing.T) {
			s := shelf{dir: t.TempDir(), flash: lookDisk(t, loader)}
			s.do(t, "install "+packed(t, s.dir, "1.3.125", 1000)+" --tries 2 --yes")
			for n, want := range []string{"trial 2", "trial 1", "trial 0", "trial 0"} {
				if got := s.state(t, "active"); got != want {
					t.Fatalf("after %d boots active is %s, want %s", n, got, want)
				}
				if n == 2 {
					break
				}
				s.do(t, "repair --yes") // while there are tries, nothing is to be done
				bootOnce(t, s.flash, "active")
			}
			before := readFile(t, s.flash)
			if said := s.do(t, "repair --dry-run"); !strings.Contains(said, "no try left: it is marked bad") || !strings.Contains(said, "default  entry "+backup) {
				t.Errorf("repair --dry-run says\n%s", said)
			}
			if !bytes.Equal(before, readFile(t, s.flash)) {
				t.Error("a dry run wrote")
			}
			s.do(t, "repair --yes")
			const reason = "on backup because 1.3.125 did not confirm in 2 tries"
			doc := document(t, "status", "--flash", s.flash)
			if doc.Last == nil || doc.Last.Text != reason || doc.Last.Kind != "rolled-back" || *doc.BootDefault.Slot != "backup" || doc.Slots[0].State != "bad" {
				t.Errorf("status is %s", whole(t, doc))
			}
			if text := s.do(t, "status --quick"); !strings.Contains(text, "last     "+reason) || !strings.Contains(text, ", bad\n") {
				t.Errorf("status says\n%s", text)
			}
			before = readFile(t, s.flash)
			s.do(t, "repair --yes")
			if !bytes.Equal(before, readFile(t, s.flash)) {
				t.Error("a second repair wrote")
			}
			s.do(t, "default set active --yes") // somebody wants it all the same
			_, r := read(t, s.flash)
			if img, why, _ := r.Preferred(); img.Name != "backup" {
				t.Errorf("preferred is %s, %s", img.Name, why)
			}
			s.do(t, "confirm --slot active")
			if got := s.state(t, "active"); got != "confirmed" {
				t.Errorf("after it has booted well active is %s", got)
			}
			before = readFile(t, s.flash)
			s.do(t, "confirm --slot active")
			if !bytes.Equal(before, readFile(t, s.flash)) {
				t.Error("a second confirm wrote")
			}
		})
	}
}

// TestRunningTrialIsNotExpired: the last try may confirm yet.
func TestRunningTrialIsNotExpired(t *testing.T) {
	s := shelf{dir: t.TempDir(), flash: lookDisk(t, "grub-legacy")}
	s.do(t, "install "+packed(t, s.dir, "1.3.125", 1000)+" --tries 1 --yes")
	bootOnce(t, s.flash, "active")
	_, r := read(t, s.flash)
	for booted, nothing := range map[string]bool{"active": true, "backup": false, "": false} {
		p, err := repair.Request{Report: r, Session: session.Options{Booted: booted}}.Plan()
		if err != nil || p.Nothing() != nothing {
			t.Errorf("booted %q: %v\n%v", booted, err, p)
		}
	}
}

// TestDefaultMoves: the default never names a slot that becomes empty, and names what was installed.
func TestDefaultMoves(t *testing.T) {
	s := shelf{dir: t.TempDir(), flash: lookDisk(t, "grub-legacy")}
	slot := func() string { return *document(t, "default", "--flash", s.flash).BootDefault.Slot }
	s.do(t, "remove active --yes")
	if got := slot(); got != "backup" {
		t.Errorf("the default is %s, want backup", got)
	}
	s.do(t, "install "+packed(t, s.dir, "1.3.125", 1000)+" --yes")
	if got := slot(); got != "active" {
		t.Errorf("the default is %s, want active", got)
	}
	s.do(t, "default set maintenance --yes")
	s.do(t, "rotate --yes")
	if got := slot(); got != "active" {
		t.Errorf("after a rotation the default is %s, want active", got)
	}
}

// TestCancel: until the slots change, nothing is left behind.
func TestCancel(t *testing.T) {
	s := newShelf(t, "ext2", "8M", 300<<10)
	_, before := s.tree(t)
	data := readFile(t, s.archives["1.3.125"])
	for _, at := range []int{0, 1000, len(data) / 2, len(data) - 10} {
		ctx, cancel := context.WithCancel(t.Context())
		meanwhile := func() {}
		src := imagearchive.Source{Name: "a line that breaks", Size: int64(len(data)), Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(data[:at]), calling(meanwhile), bytes.NewReader(data[at:]))), nil
		}}
		a, r := read(t, s.flash)
		p, err := install.Request{Report: r, Source: src, Session: a.session()}.Plan(ctx)
		must(t, err)
		meanwhile = cancel
		if err := p.Apply(ctx, ops.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at byte %d: %v", at, err)
		}
		if _, after := s.tree(t); !maps.Equal(before, after) {
			t.Errorf("cancelled at byte %d, it left something behind: %q", at, after)
		}
	}
}

// calling is an empty reader that calls f.
type calling func()

func (f calling) Read([]byte) (int, error) { f(); return 0, io.EOF }

// TestFullFlash has an archive of which nobody knows before how much is in it.
func TestFullFlash(t *testing.T) {
	s := newShelf(t, "ext2", "8M", 300<<10)
	big := readFile(t, packed(t, s.dir, "1.4.0", 9<<20))
	_, before := s.tree(t)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"install", "-", "--yes", "--flash", s.flash}, bytes.NewReader(big), &out, &errs)
	if code != int(ops.NoSpace) || !strings.Contains(errs.String(), "it would not fit without backup either") {
		t.Errorf("exit %d\n%s%s", code, &out, &errs)
	}
	if _, after := s.tree(t); !maps.Equal(before, after) {
		t.Error("it left something behind")
	}
	code = run(t.Context(), []string{"install", "-", "--yes", "--flash", s.flash}, bytes.NewReader(readFile(t, s.archives["1.3.125"])), &out, &errs)
	if code != 0 {
		t.Errorf("from standard input: exit %d\n%s", code, &errs)
	}
	s.holds(t, "1.3.125", "1.3.124")
}

// TestSignedInstall holds the rules of a machine that knows a key, a model and a floor.
func TestSignedInstall(t *testing.T) {
	s, b := newShelf(t, "ext2", "8M", 100<<10), newKeyBench(t)
	b.put(t, "model", "FW-2\n")
	b.put(t, "min-version", "1.3.124\n")
	signed := func(name, version, key, model string) string {
		dir := filepath.Join(s.dir, name)
		must(t, os.Mkdir(dir, 0o755))
		key = map[string]string{"release": filepath.Join(b.dir, "release.key"), "stranger": filepath.Join(b.dir, "stranger.key")}[key]
		return packed(t, dir, version, 1000+len(name), "--key", key, "--model", model)
	}
	good, other := signed("good", "1.3.126", "release", "FW-2"), signed("other", "1.3.127", "release", "FW-2")
	again := func(name string, change func(dir string)) string { // good, with something changed in it
		dir := filepath.Join(s.dir, name)
		unpackInto(t, good, filepath.Join(dir, "image"))
		change(filepath.Join(dir, "image"))
		tool(t, "tar", dir, "tar", "czf", "image.tgz", "image")
		return filepath.Join(dir, "image.tgz")
	}
	_, before := s.tree(t)
	tests := []struct {
		name, archive, flags string
		require              bool
		code                 ops.Kind
		says                 string
	}{
		{"another model", signed("model", "1.3.128", "release", "FW-3"), "", false, ops.Refused, "model FW-3"},
		{"too old", signed("old", "1.3.99", "release", "FW-2"), "", false, ops.Refused, "older than 1.3.124"},
		{"too old, required", signed("old2", "1.3.98", "release", "FW-2"), "", true, ops.Refused, "older than 1.3.124"},
		{"a stranger's, required", signed("stranger", "1.3.129", "stranger", "FW-2"), "", true, ops.Invalid, "key that is not known"},
		{"a stranger's, overridden", signed("stranger2", "1.3.130", "stranger", "FW-2"), "--override", true, ops.Invalid, "key that is not known"},
		{"unsigned, required", s.archives["1.3.125"], "--override", true, ops.Invalid, "signed"},
		{"a signature of another file", again("swapped", func(dir string) {
			from := filepath.Join(s.dir, "from")
			unpackInto(t, other, from)
			must(t, os.WriteFile(filepath.Join(dir, "SHA256SUMS.minisig"), readFile(t, filepath.Join(from, "SHA256SUMS.minisig")), 0o644))
		}), "", false, ops.Invalid, "SHA256SUMS.minisig"},
		{"a changed comment", again("comment", func(dir string) {
			name := filepath.Join(dir, "SHA256SUMS.minisig")
			must(t, os.WriteFile(name, bytes.Replace(readFile(t, name), []byte("model=FW-2"), []byte("model=FW-3"), 1), 0o644))
		}), "", false, ops.Invalid, "SHA256SUMS.minisig"},
		{"a changed file", again("file", func(dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "kernel.arg"), []byte("init=/bin/sh\n"), 0o644))
		}), "", false, ops.Invalid, "kernel.arg"},
	}
	run := func(archive, flags string, require bool) (int, string, string) {
		name := filepath.Join(b.etc, "require-signature")
		_ = os.Remove(name)
		if require {
			b.put(t, "require-signature", "")
		}
		return s.cli(fmt.Sprintf("install %s %s --yes --trust %s", archive, flags, b.etc))
	}
	for _, tt := range tests {
		code, out, errs := run(tt.archive, tt.flags, tt.require)
		if code != int(tt.code) || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: exit %d, want %d, %q\n%s%s", tt.name, code, tt.code, tt.says, out, errs)
		}
		if _, after := s.tree(t); !maps.Equal(before, after) {
			t.Fatalf("%s: the flash has changed", tt.name)
		}
	}
	if code, out, errs := run(tests[1].archive, "--override", false); code != 0 || !strings.Contains(out, "overridden: ") {
		t.Errorf("overridden: exit %d\n%s%s", code, out, errs)
	}
	s.holds(t, "1.3.99", "1.3.124")
	if dir, _ := s.tree(t); !strings.Contains(string(readFile(t, filepath.Join(dir, "cfg", "holdfast.log"))), "overridden: ") {
		t.Error("the log does not say that it was overridden")
	}
	// Backup is whole, although it is not signed, and stays.
	if code, out, errs := run(good, "", true); code != 0 || !strings.Contains(out, "signed   by release") {
		t.Errorf("signed: exit %d\n%s%s", code, out, errs)
	}
	s.holds(t, "1.3.126", "1.3.124")
}

// TestAskedOnTerminal: what a script says by flags, an operator types.
func TestAskedOnTerminal(t *testing.T) {
	s, b := newShelf(t, "ext2", "4600K", 1200<<10), newKeyBench(t)
	b.put(t, "min-version", "2\n")
	line := []string{"install", s.archives["1.3.125"], "--flash", s.flash, "--trust", b.etc}
	for _, tt := range []struct {
		answers []string
		code    int
	}{{[]string{"yes"}, 7}, {[]string{"override", "no"}, 7}, {[]string{"override", "yes"}, 0}} {
		cmd, master, text := onTerminal(t, made.binary, line...)
		for i, answer := range tt.answers {
			text.wait(t, []string{"Type override to install it all the same:", "Type yes to remove backup and install it:"}[i])
			_, err := master.WriteString(answer + "\n")
			must(t, err)
		}
		if got := exitCode(t, cmd); got != tt.code {
			t.Errorf("%q: exit %d, want %d\n%s", tt.answers, got, tt.code, text)
		}
		if tt.code != 0 {
			s.holds(t, "1.3.124", "1.3.123")
		}
	}
	s.holds(t, "1.3.125", "1.3.124")
}

// TestRotateCopies: of two copies of an image, of which one is damaged, the whole one becomes active. It was
// the same ID for both, and so no change at all, with the boot default set to the damaged one.
func TestRotateCopies(t *testing.T) {
	s := shelf{dir: t.TempDir(), flash: lookDisk(t, "grub-legacy")}
	s.do(t, "install "+packed(t, s.dir, "1.3.125", 1000)+" --yes")
	onFlash(t, s.flash, func(dir string) {
		must(t, os.RemoveAll(filepath.Join(dir, "system/active")))
		tool(t, "coreutils", dir, "cp", "-a", "system/backup", "system/active")
		must(t, os.WriteFile(filepath.Join(dir, "system/active/kernel.arg"), []byte("damaged\n"), 0o644))
	})
	s.do(t, "default set backup --yes")
	s.do(t, "rotate --yes")
	doc := document(t, "status", "--flash", s.flash)
	if *doc.Slots[0].Integrity != "intact" || *doc.Slots[1].Integrity != "damaged" || *doc.BootDefault.Slot != "active" {
		t.Errorf("status is %s", whole(t, doc))
	}
}

// TestRollBackLeads: at the moment when the images are exchanged, the boot default names neither what is
// damaged nor the slot that gets the image on trial.
func TestRollBackLeads(t *testing.T) {
	for damaged, want := range map[bool]string{false: "2 -> 0", true: "2 -> 4, 4 -> 0"} {
		s := shelf{dir: t.TempDir(), flash: lookDisk(t, "grub-legacy")}
		s.do(t, "install "+packed(t, s.dir, "1.3.125", 1000)+" --yes")
		s.do(t, "default set backup --yes")
		if damaged {
			onFlash(t, s.flash, func(dir string) {
				must(t, os.WriteFile(filepath.Join(dir, "system/active/kernel.arg"), []byte("damaged\n"), 0o644))
			})
		}
		a, r := read(t, s.flash)
		p, err := rotate.Request{Report: r, Session: a.session()}.Plan(t.Context())
		must(t, err)
		var set []string
		must(t, p.Apply(t.Context(), listener(func(line string) {
			_, change, ok := strings.Cut(line, " sector ")
			if !ok {
				return
			}
			_, change, _ = strings.Cut(change, ": ")
			set = append(set, change)
			if _, now := read(t, s.flash); len(set) == 1 && arrange.Name(now.Images[0]) != "1.3.125" {
				t.Error("the images had moved already when the boot default was set first")
			}
		})))
		if got := strings.Join(set, ", "); got != want {
			t.Errorf("damaged %v: the default was set %s, want %s", damaged, got, want)
		}
	}
}

// listener is a Reporter that calls a function with each line.
type listener func(string)

func (listener) Progress(ops.Progress) {}
func (l listener) Log(line string)     { l(line) }

// onFlash changes files of a flash in an image file behind everybody's back.
func onFlash(t testing.TB, flashName string, change func(dir string)) {
	t.Helper()
	_, r := read(t, flashName)
	a, err := flashaccess.Open(r.Target.Volume, nil)
	must(t, err)
	defer func() { must(t, a.Close()) }()
	change(a.Dir)
}

// TestConfirmOnOldSystem: a system that has installed an image says img=active as before. It does not confirm
// the new image, also where the clock was never set and both have the same kernel, and it still confirms
// what has stayed in its slot.
func TestConfirmOnOldSystem(t *testing.T) {
	for slot, want := range map[string]string{"active": "trial", "backup": "confirmed"} {
		s := shelf{dir: t.TempDir(), flash: lookDisk(t, "grub-legacy")}
		s.do(t, "install "+packed(t, s.dir, "1.3.125", 1000)+" --slot active --yes")
		_, r := read(t, s.flash)
		running := confirm.Running{Boot: confirm.ReadRunning().Boot}
		p, err := confirm.Request{Report: r, CommandLine: "img=" + slot, Running: running}.Plan()
		must(t, err)
		must(t, p.Apply(t.Context(), ops.Discard))
		if got, _, _ := strings.Cut(s.state(t, slot), " "); got != want {
			t.Errorf("img=%s: it is %s, want %s", slot, got, want)
		}
		if _, now := read(t, s.flash); now.Default() != "active" {
			t.Errorf("img=%s: the boot default is %s: what was installed would never be tried", slot, now.Default())
		}
		s.do(t, "confirm --slot "+slot) // whoever knows better
		if got := s.state(t, slot); got != "confirmed" {
			t.Errorf("told so, %s is %s", slot, got)
		}
	}
}

// TestLooksAnew: who holds a flash in an image file open, as the console does, sees what an operation has
// written to it, through a mount of its own.
func TestLooksAnew(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	_, before := read(t, disk)
	holdfast(t, "rotate", "--yes", "--flash", disk)
	after, err := status.Read(before.Target)
	must(t, err)
	if a, b := after.Images[0].ID, after.Images[1].ID; a != before.Images[1].ID || b != before.Images[0].ID {
		t.Errorf("after a rotation active and backup are %v and %v, as before it", after.Images[0].Version, after.Images[1].Version)
	}
}
