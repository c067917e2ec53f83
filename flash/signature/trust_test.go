package signature

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// etc is a directory of trust with two keys and everything else.
func etc(t *testing.T, b bench) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "holdfast")
	for name, text := range map[string]string{
		"keys/release.pub": string(b.read("a.pub")), "keys/bench.pub": string(b.read("b.pub")), "keys/README": "not a key",
		"model": "FW-2\n", "min-version": "1.3.0\n", "require-signature": "",
	} {
		put(t, filepath.Join(dir, name), text)
	}
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadTrust(t *testing.T) {
	b := newBench(t)
	got, err := ReadTrust(etc(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Keys) != 2 || got.Keys[0].Name != "bench" || got.Keys[1].Name != "release" || got.Keys[1].ID() != b.key("a").ID() {
		t.Errorf("keys %+v", got.Keys)
	}
	if text := string(b.read("a.pub")); !strings.Contains(text, "minisign public key "+b.key("a").ID()+"\n") {
		t.Errorf("the ID is %s, minisign has %q", b.key("a").ID(), text)
	}
	if got.Model != "FW-2" || got.Floor != "1.3.0" || !got.Require || got.Problem != "" {
		t.Errorf("ReadTrust = %+v", got)
	}
	if got, err := ReadTrust(filepath.Join(t.TempDir(), "absent")); err != nil || got.Require || got.Keys != nil {
		t.Errorf("absent: ReadTrust = %+v, %v", got, err)
	}
	if got, err := ReadTrust(t.TempDir()); err != nil || got.Require || got.Keys != nil || got.Model != "" {
		t.Errorf("empty: ReadTrust = %+v, %v", got, err)
	}
}

// TestReadTrustBroken: what is broken is an error that names the file, and takes no requirement away.
func TestReadTrustBroken(t *testing.T) {
	b := newBench(t)
	rename := func(name, to string) func(string) error {
		return func(dir string) error { return os.Rename(filepath.Join(dir, name), filepath.Join(dir, to)) }
	}
	write := func(name, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644) }
	}
	link := func(name string) func(string) error {
		return func(dir string) error {
			os.RemoveAll(filepath.Join(dir, name))
			return os.Symlink("nowhere", filepath.Join(dir, name))
		}
	}
	fifo := func(name string) func(string) error {
		return func(dir string) error {
			os.Remove(filepath.Join(dir, name))
			return syscall.Mkfifo(filepath.Join(dir, name), 0o644)
		}
	}
	tests := []struct {
		name, file string
		edit       func(dir string) error
	}{
		{"key is text", "keys/release.pub", write("keys/release.pub", "hello\n")},
		{"key is empty", "keys/release.pub", write("keys/release.pub", "")},
		{"key is a secret key", "keys/release.pub", write("keys/release.pub", string(b.read("a.key")))},
		{"key is cut off", "keys/release.pub", write("keys/release.pub", string(b.read("a.pub")[:80]))},
		{"key is endless", "keys/release.pub", write("keys/release.pub", strings.Repeat("A", maxFile+1))},
		{"key is a FIFO", "keys/release.pub", fifo("keys/release.pub")},
		{"key leads nowhere", "keys/release.pub", link("keys/release.pub")},
		{"key is a directory", "keys/x.pub", func(dir string) error { return os.Mkdir(filepath.Join(dir, "keys/x.pub"), 0o755) }},
		{"key has no name", "keys/.pub", rename("keys/release.pub", "keys/.pub")},
		{"keys lead nowhere", "keys", link("keys")},
		{"model is empty", "model", write("model", "\n")},
		{"model is two words", "model", write("model", "FW 2\n")},
		{"model is two lines", "model", write("model", "FW-2\nFW-3\n")},
		{"model drives a terminal", "model", write("model", "\x1b[2J\n")},
		{"model is a FIFO", "model", fifo("model")},
		{"model leads nowhere", "model", link("model")},
		{"min-version is empty", "min-version", write("min-version", "")},
		{"min-version is a directory", "min-version", func(dir string) error {
			os.Remove(filepath.Join(dir, "min-version"))
			return os.Mkdir(filepath.Join(dir, "min-version"), 0o755)
		}},
	}
	for _, tt := range tests {
		dir := etc(t, b)
		if err := tt.edit(dir); err != nil {
			t.Fatal(err)
		}
		got, err := ReadTrust(dir)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, tt.file)) || got.Problem != err.Error() || !got.Require {
			t.Errorf("%s: ReadTrust = %+v, %v; want an error about %s", tt.name, got, err, tt.file)
		}
	}
	dir := etc(t, b)
	if err := link("require-signature")(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTrust(dir); err != nil || !got.Require {
		t.Errorf("require-signature leads nowhere: ReadTrust = %+v, %v", got, err)
	}
	file := filepath.Join(dir, "model")
	if got, err := ReadTrust(file); err == nil || !got.Require {
		t.Errorf("the directory is a file: ReadTrust = %+v, %v", got, err)
	}
	nowhere := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", nowhere); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTrust(nowhere); err == nil || !got.Require {
		t.Errorf("the directory leads nowhere: ReadTrust = %+v, %v", got, err)
	}
}
