package pack

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/ops"
)

// testKernel is the test kernel of the repository, a real bzImage.
func testKernel(t *testing.T) string {
	t.Helper()
	names, _ := filepath.Glob("../../.cache/kernel/boot/vmlinuz-*")
	if len(names) == 0 {
		t.Fatal("the test kernel is missing: make test fetches it into .cache/kernel")
	}
	name, err := filepath.Abs(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func apply(t *testing.T, r Request) {
	t.Helper()
	p, err := r.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(t.Context(), ops.Discard); err != nil {
		t.Fatal(err)
	}
}

func TestPackIsReadByTarAndSha256sum(t *testing.T) {
	dir := t.TempDir()
	r := Request{
		Kernel: testKernel(t), Initrd: write(t, "an initrd"), Version: "1.3.124", Args: " acpi=off quiet ",
		Output: filepath.Join(dir, "image.tgz"),
	}
	apply(t, r)
	run(t, dir, "tar", "xzf", "image.tgz")
	got := run(t, dir, "tar", "tzf", "image.tgz")
	want := "1.3.124/\n1.3.124/SHA256SUMS\n1.3.124/kernel.arg\n1.3.124/kernel.ver\n1.3.124/kernel.img\n1.3.124/initrd.img\n"
	if got != want {
		t.Errorf("members = %q, want %q", got, want)
	}
	run(t, filepath.Join(dir, "1.3.124"), "sha256sum", "-c", "--strict", "SHA256SUMS")
	run(t, dir, "cmp", r.Kernel, "1.3.124/kernel.img")
	for name, want := range map[string]string{"initrd.img": "an initrd", "kernel.arg": "acpi=off quiet\n", "kernel.ver": "1.3.124\n"} {
		if got, _ := os.ReadFile(filepath.Join(dir, "1.3.124", name)); string(got) != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}

	first, _ := os.ReadFile(r.Output)
	r.Force = true
	apply(t, r)
	if second, _ := os.ReadFile(r.Output); !bytes.Equal(first, second) {
		t.Error("the same files gave another archive")
	}
}

func TestPlanRefuses(t *testing.T) {
	good := Request{Kernel: testKernel(t), Version: "1", Output: filepath.Join(t.TempDir(), "o.tgz")}
	tests := []struct {
		name   string
		change func(*Request)
		kind   ops.Kind
		want   string
	}{
		{"text as kernel", func(r *Request) { r.Kernel = write(t, strings.Repeat("no kernel\n", 1000)) }, ops.Invalid, "file"},
		{"empty kernel", func(r *Request) { r.Kernel = write(t, "") }, ops.Invalid, "file"},
		{"no kernel", func(r *Request) { r.Kernel = "/absent" }, ops.Invalid, "no such file"},
		{"no initrd", func(r *Request) { r.Initrd = "/absent" }, ops.Invalid, "initrd.img"},
		{"folder as initrd", func(r *Request) { r.Initrd = "/" }, ops.Invalid, "not a regular file"},
		{"no version", func(r *Request) { r.Version = "" }, ops.Usage, "version"},
		{"version with a line", func(r *Request) { r.Version = "1\n" }, ops.Usage, "version"},
		{"version as path", func(r *Request) { r.Version = "../1" }, ops.Usage, "version"},
		{"version hidden", func(r *Request) { r.Version = ".1" }, ops.Usage, "version"},
		{"version long", func(r *Request) { r.Version = strings.Repeat("1", 33) }, ops.Usage, "32 bytes"},
		{"version is a slot", func(r *Request) { r.Version = "Active" }, ops.Usage, "means something else"},
		{"arguments with a control character", func(r *Request) { r.Args = "a\x1b" }, ops.Usage, "control"},
		{"no output", func(r *Request) { r.Output = "" }, ops.Usage, "no name"},
		{"output exists", func(r *Request) { r.Output = write(t, "x") }, ops.Refused, "exists"},
	}
	for _, test := range tests {
		r := good
		test.change(&r)
		_, err := r.Plan()
		if err == nil || ops.ExitCode(err) != int(test.kind) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Plan() = %v (kind %d), want kind %d with %q", test.name, err, ops.ExitCode(err), test.kind, test.want)
		}
	}
	good.Version = "A9._+~-" + strings.Repeat("x", 25)
	if _, err := good.Plan(); err != nil {
		t.Errorf("Plan() of a version of 32 characters = %v, want none", err)
	}
}

func TestApplyCancelledLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	p, err := Request{Kernel: testKernel(t), Version: "1", Output: filepath.Join(dir, "o.tgz")}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = p.Apply(ctx, &cancelAtProgress{cancel: cancel})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %v, want context.Canceled", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

type cancelAtProgress struct{ cancel func() }

func (c *cancelAtProgress) Progress(ops.Progress) { c.cancel() }
func (c *cancelAtProgress) Log(string)            {}
