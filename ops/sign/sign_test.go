package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/archive"
)

// tool runs a program of another hand in dir and gives what it prints.
func tool(t *testing.T, pkg, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bench is a directory with a pair of keys of minisign and the folder of an image, 1.3.125.
type bench struct {
	dir    string
	secret signature.Secret
	trust  signature.Trust
}

func newBench(t *testing.T) bench {
	t.Helper()
	b := bench{dir: t.TempDir()}
	tool(t, "minisign", b.dir, "minisign", "-G", "-W", "-p", "a.pub", "-s", "a.key")
	text, err := os.ReadFile(b.path("a.key"))
	must(t, err)
	b.secret, err = signature.ParseSecret(text, "")
	must(t, err)
	key, err := signature.ReadKey(b.path("a.pub"), "a")
	must(t, err)
	b.trust.Keys = []signature.Key{key}
	must(t, os.Mkdir(b.path("1.3.125"), 0o755))
	for name, text := range map[string]string{
		"kernel.img": string(kexectest.Kernel("6.1.0-test")), "initrd.img": strings.Repeat("initrd", 100_000), "kernel.ver": "1.3.125\n",
	} {
		must(t, os.WriteFile(b.path("1.3.125", name), []byte(text), 0o644))
	}
	sums := tool(t, "coreutils", b.path("1.3.125"), "sha256sum", "kernel.img", "initrd.img", "kernel.ver")
	must(t, os.WriteFile(b.path("1.3.125", sumsName), []byte(sums), 0o644))
	return b
}

func (b bench) path(names ...string) string {
	return filepath.Join(append([]string{b.dir}, names...)...)
}

func (b bench) sign(r Request) error {
	r.Secret = b.secret
	p, err := r.Plan(context.Background(), ops.Discard)
	if err != nil {
		return err
	}
	return p.Apply(context.Background(), ops.Discard)
}

// packed packs an archive by the real programs. inside is where in the bench.
var packed = []struct {
	format, inside, pkg, pack, list string
}{
	{"tar.gz", ".", "tar", "tar czf A 1.3.125", "tar tzf A"},
	{"tar.gz", "1.3.125", "tar", "tar czf A *", "tar tzf A"},
	{"tar.zst", ".", "zstd", "tar cf - 1.3.125 | zstd -q -19 -o A", "zstd -dc A | tar t"},
	{"tar.xz", ".", "xz-utils", "tar cf - 1.3.125 | xz -T2 --block-size=100KiB > A", "xz -dc A | tar t"},
	{"tar", "1.3.125", "tar", "tar cf A ./*", "tar tf A"},
	{"cpio.gz", ".", "cpio", "find 1.3.125 | cpio -o -H newc --quiet | gzip > A", "gzip -dc A | cpio -t --quiet"},
	{"cpio.gz", "1.3.125", "cpio", "ls | cpio -o -H newc --quiet | gzip > A", "gzip -dc A | cpio -t --quiet"},
}

// TestSignArchive signs archives of the real programs in place; those programs and minisign judge.
func TestSignArchive(t *testing.T) {
	for _, tt := range packed {
		t.Run(tt.format+" of "+tt.inside, func(t *testing.T) {
			b := newBench(t)
			name := b.path("image." + tt.format)
			tool(t, tt.pkg, b.path(tt.inside), "sh", "-c", strings.ReplaceAll(tt.pack, "A", name))
			for _, model := range []string{"FW-1", "FW-2"} { // the second replaces the first
				must(t, b.sign(Request{Input: name, Model: model}))
			}
			list := strings.Fields(tool(t, tt.pkg, b.dir, "sh", "-c", strings.ReplaceAll(tt.list, "A", name)))
			at := slices.IndexFunc(list, func(s string) bool { return filepath.Base(s) == sumsName })
			if at < 0 || at+1 >= len(list) || list[at+1] != list[at]+".minisig" || strings.Count(strings.Join(list, " "), ".minisig") != 1 {
				t.Errorf("members %q: the signature is not behind %s", list, sumsName)
			}
			if inFolder := strings.HasPrefix(list[at], "1.3.125/"); inFolder != (tt.inside == ".") {
				t.Errorf("members %q: the folder changed", list)
			}
			src, err := archive.File(name)
			must(t, err)
			got, err := archive.Copy(context.Background(), src, b.trust, 0, archive.Discard, ops.Discard)
			if err != nil || got.Integrity != flash.Verified || got.Format != tt.format || got.Signature.Comment != "model=FW-2 version=1.3.125" {
				t.Errorf("Copy = %+v, %v", got, err)
			}
			if left, _ := filepath.Glob(b.path(".image*")); left != nil {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// TestSignedForMinisign unpacks a signed archive by tar; minisign and sha256sum judge what is in it.
func TestSignedForMinisign(t *testing.T) {
	b := newBench(t)
	tool(t, "tar", b.dir, "tar", "czf", "image.tgz", "1.3.125")
	before, err := os.ReadFile(b.path("image.tgz"))
	must(t, err)
	must(t, b.sign(Request{Input: b.path("image.tgz"), Output: b.path("signed.tgz"), Model: "FW-2"}))
	if after, err := os.ReadFile(b.path("image.tgz")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the input changed, %v", err)
	}
	must(t, os.RemoveAll(b.path("1.3.125")))
	tool(t, "tar", b.dir, "tar", "xzf", "signed.tgz")
	tool(t, "coreutils", b.path("1.3.125"), "sha256sum", "-c", sumsName)
	out := tool(t, "minisign", b.path("1.3.125"), "minisign", "-V", "-p", "../a.pub", "-m", sumsName)
	if !strings.Contains(out, "Trusted comment: model=FW-2 version=1.3.125\n") {
		t.Errorf("minisign says\n%s", out)
	}
}

// TestSignFolder signs a folder, and a manifest whose files are elsewhere.
func TestSignFolder(t *testing.T) {
	for name, tt := range map[string]struct {
		input, version string
		prepare        func(b bench) error
	}{
		"folder":         {"1.3.125", "", nil},
		"manifest":       {"1.3.125/" + sumsName, "", nil},
		"manifest alone": {sumsName, "1.3.125", func(b bench) error { return os.Rename(b.path("1.3.125", sumsName), b.path(sumsName)) }},
		"signed before": {"1.3.125", "", func(b bench) error {
			return os.WriteFile(b.path("1.3.125", flash.SignatureFile), []byte("nonsense"), 0o644)
		}},
	} {
		b := newBench(t)
		if tt.prepare != nil {
			must(t, tt.prepare(b))
		}
		if err := b.sign(Request{Input: b.path(tt.input), Version: tt.version}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		dir := b.path(strings.TrimSuffix(tt.input, sumsName))
		out := tool(t, "minisign", dir, "minisign", "-V", "-p", b.path("a.pub"), "-m", sumsName)
		if !strings.Contains(out, "Trusted comment: version=1.3.125\n") {
			t.Errorf("%s: minisign says\n%s", name, out)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	pack := func(b bench) error {
		cmd := exec.Command("tar", "czf", "image.tgz", "1.3.125")
		cmd.Dir = b.dir
		return cmd.Run()
	}
	spoil := func(b bench) error { return os.WriteFile(b.path("1.3.125", "initrd.img"), []byte("other"), 0o644) }
	remove := func(name string) func(bench) error {
		return func(b bench) error { return os.Remove(b.path("1.3.125", name)) }
	}
	tests := []struct {
		name    string
		request Request
		prepare []func(bench) error
		kind    ops.Kind
		says    string
	}{
		{"absent", Request{Input: "absent"}, nil, ops.Invalid, "no such file"},
		{"damaged folder", Request{Input: "1.3.125"}, []func(bench) error{spoil}, ops.Invalid, "initrd.img: hash differs"},
		{"damaged archive", Request{Input: "image.tgz"}, []func(bench) error{spoil, pack}, ops.Invalid, "initrd.img: hash differs"},
		{"folder without a manifest", Request{Input: "1.3.125"}, []func(bench) error{remove(sumsName)}, ops.Invalid, "no such file"},
		{"archive without a manifest", Request{Input: "image.tgz"}, []func(bench) error{remove(sumsName), pack}, ops.Invalid, "has no SHA256SUMS"},
		{"manifest is text", Request{Input: "1.3.125/" + sumsName}, []func(bench) error{func(b bench) error {
			return os.WriteFile(b.path("1.3.125", sumsName), []byte("hello\n"), 0o644)
		}}, ops.Invalid, "line 1: does not start with a hash"},
		{"not an archive", Request{Input: "a.key"}, nil, ops.Invalid, "not an image archive"},
		{"another version", Request{Input: "1.3.125", Version: "2"}, nil, ops.Usage, "is version 1.3.125 by its kernel.ver"},
		{"no version", Request{Input: "1.3.125/" + sumsName}, []func(bench) error{remove("kernel.ver")}, ops.Usage, "says no version"},
		{"model of two words", Request{Input: "1.3.125", Model: "a b"}, nil, ops.Usage, `model "a b"`},
		{"output exists", Request{Input: "1.3.125", Output: "a.pub"}, nil, ops.Refused, "exists already"},
		{"output has no folder", Request{Input: "1.3.125", Output: "no/where"}, nil, ops.NotWritable, "folder"},
	}
	for _, tt := range tests {
		b := newBench(t)
		for _, p := range tt.prepare {
			must(t, p(b))
		}
		before := tool(t, "findutils", b.dir, "find", ".", "-type", "f", "-printf", "%p %s %T@ %i\n")
		tt.request.Input = b.path(tt.request.Input)
		if tt.request.Output != "" {
			tt.request.Output = b.path(tt.request.Output)
		}
		if err := b.sign(tt.request); ops.ExitCode(err) != int(tt.kind) || !strings.Contains(fmt.Sprint(err), tt.says) {
			t.Errorf("%s: %v (exit code %d), want %q and %d", tt.name, err, ops.ExitCode(err), tt.says, tt.kind)
		}
		if after := tool(t, "findutils", b.dir, "find", ".", "-type", "f", "-printf", "%p %s %T@ %i\n"); after != before {
			t.Errorf("%s: wrote\n%s\nbefore\n%s", tt.name, after, before)
		}
	}
}

// TestSignInterrupted: an archive is signed or as it was.
func TestSignInterrupted(t *testing.T) {
	b := newBench(t)
	tool(t, "tar", b.dir, "tar", "czf", "image.tgz", "1.3.125")
	before, err := os.ReadFile(b.path("image.tgz"))
	must(t, err)
	p, err := Request{Secret: b.secret, Input: b.path("image.tgz")}.Plan(context.Background(), ops.Discard)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	err = p.Apply(ctx, stopper{cancel})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %v", err)
	}
	after, err := os.ReadFile(b.path("image.tgz"))
	left, _ := filepath.Glob(b.path(".*"))
	if err != nil || !bytes.Equal(before, after) || len(left) != 0 {
		t.Errorf("changed %v, left %q, %v", !bytes.Equal(before, after), left, err)
	}
}

// stopper stops an operation at its first progress.
type stopper struct{ cancel func() }

func (s stopper) Progress(ops.Progress) { s.cancel() }
func (s stopper) Log(string)            {}
