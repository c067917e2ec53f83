package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/kexec/kexectest"
	"holdfast/ops"
)

// cli runs the program in this process, with nobody at the terminal.
func cli(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// demoFlash is the demonstration written to a directory.
func demoFlash(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "flash")
	must(t, os.CopyFS(dir, demoTarget().FS))
	return dir
}

func TestExitCodes(t *testing.T) {
	flash := demoFlash(t)
	dir := t.TempDir()
	kernel := filepath.Join(dir, "kernel")
	must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-test"), 0o644))
	text := filepath.Join(dir, "text")
	must(t, os.WriteFile(text, []byte("hello\n"), 0o644))
	out := filepath.Join(dir, "out")
	tests := []struct {
		name string
		args string
		code ops.Kind
		says string
	}{
		{"no such command", "frobnicate", ops.Usage, `holdfast: unknown command "frobnicate"`},
		{"no such subcommand", "image frobnicate", ops.Usage, `holdfast: image: unknown command "frobnicate"`},
		{"no such flag", "console --frobnicate", ops.Usage, "hint: holdfast console --help"},
		{"a flag is missing", "image pack", ops.Usage, `"kernel", "output", "version" not set`},
		{"too many words", "boot a b", ops.Usage, "accepts 1 arg"},
		{"not process 1", "init", ops.Usage, "not process 1"},
		{"stage outside the stage", "console --stage", ops.Usage, "--stage is for PID 1"},
		{"no flash named", "console", ops.NoFlash, "--flash DIR"},
		{"flash is absent", "boot active --flash " + dir + "/absent", ops.NoFlash, "no such file"},
		{"flash is a file", "boot active --flash " + text, ops.NoFlash, "not a directory"},
		{"directory is no flash", "boot active --flash " + dir, ops.NoFlash, "no flash here"},
		{"no such image", "boot pending --flash " + flash, ops.Usage, `no image "pending"`},
		{"not confirmed", "boot active --flash " + flash, ops.NotConfirmed, "not confirmed"},
		{"host is not left", "boot active --yes --flash " + flash, ops.Refused, "--allow-kexec"},
		{"damaged image", "boot 1.3.125 --yes --allow-kexec --flash " + flash, ops.Invalid, "initrd.img: hash differs"},
		{"text for a kernel", "image pack --kernel " + text + " --version 1 -o " + out, ops.Invalid, "holdfast: image pack: "},
		{"bad version", "image pack --kernel " + kernel + " --version a/b -o " + out, ops.Usage, "version"},
		{"output exists", "image pack --kernel " + kernel + " --version 1 -o " + text, ops.Refused, "--force"},
		{"archive exists", "initramfs create --init " + made.binary + " -o " + text, ops.Refused, "--force"},
		{"output has no folder", "image pack --kernel " + kernel + " --version 1 -o " + dir + "/no/where", ops.NotWritable, "folder"},
		{"bad slot", "disk create --kernel k --console c -o " + out + " --image pending=a.tgz", ops.Usage, "pending"},
		{"half an image", "disk create --kernel k --console c -o " + out + " --image active", ops.Usage, "want SLOT=ARCHIVE"},
		{"slot twice", "disk create --kernel k --console c -o " + out + " --image active=a --image active=b", ops.Usage, "given twice"},
		{"bad size", "disk create --kernel k --console c -o " + out + " --size 10T", ops.Usage, "--size"},
		{"no compression", "initramfs create -o " + out + " --compress zip", ops.Usage, "--compress"},
		{"no module", "initramfs create -o " + out + " --module ext4", ops.Invalid, "holdfast: initramfs create: "},
		{"not an archive", "initramfs list " + text, ops.Invalid, "offset 0"},
		{"absent archive", "initramfs check " + dir + "/absent", ops.Invalid, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errs := cli(strings.Fields(tt.args)...)
			if code != int(tt.code) || !strings.Contains(errs, tt.says) {
				t.Errorf("holdfast %s: exit %d, want %d saying %q:\n%s", tt.args, code, tt.code, tt.says, errs)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*out*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestBootPrint(t *testing.T) {
	code, out, errs := cli("boot", "active", "--print", "--append", "single", "--flash", demoFlash(t))
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"active, version 1.3.124", "6.1.0-56-appliance", "quiet acpi=off", "img=active single", "nothing is written"} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
}

// TestDryRunWritesNothing for every command that writes.
func TestDryRunWritesNothing(t *testing.T) {
	dir := t.TempDir()
	kernel := filepath.Join(dir, "kernel")
	must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-test"), 0o644))
	for _, args := range [][]string{
		{"image", "pack", "--dry-run", "--kernel", kernel, "--version", "1", "-o", filepath.Join(dir, "a.tgz")},
		{"initramfs", "create", "--dry-run", "--init", made.binary, "-o", filepath.Join(dir, "stage")},
	} {
		code, out, errs := cli(args...)
		if code != 0 || out == "" {
			t.Errorf("%q: exit %d, printed %q: %s", args, code, out, errs)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("a dry run wrote: %v", files)
	}
}

// TestHelp: every command has a summary, and one that does something has an example.
func TestHelp(t *testing.T) {
	a := &app{}
	for _, cmd := range a.root().Commands() {
		for _, c := range append(cmd.Commands(), cmd) {
			if c.Short == "" || c.Runnable() && !c.HasSubCommands() && c.Example == "" && c.Name() != "init" {
				t.Errorf("%s: summary %q, example %q", c.CommandPath(), c.Short, c.Example)
			}
		}
	}
}
