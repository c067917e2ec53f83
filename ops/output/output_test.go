package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"holdfast/ops"
)

func TestCommitReplacesWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	write := func(text string, force, commit bool) error {
		f, err := Create(path, force)
		if err != nil {
			return err
		}
		defer f.Cleanup()
		if _, err := f.WriteString(text); err != nil {
			return err
		}
		if commit {
			return f.Commit()
		}
		return nil
	}
	steps := []struct {
		name          string
		text          string
		force, commit bool
		kind          ops.Kind // 0 for success
		want          string   // the file afterwards; "" for none
	}{
		{"abandoned", "a", false, false, 0, ""},
		{"first", "b", false, true, 0, "b"},
		{"no force", "c", false, true, ops.Refused, "b"},
		{"force abandoned", "d", true, false, 0, "b"},
		{"force", "e", true, true, 0, "e"},
	}
	for _, s := range steps {
		err := write(s.text, s.force, s.commit)
		if got := ops.Kind(ops.ExitCode(err)); got != s.kind {
			t.Errorf("%s: kind = %d (%v), want %d", s.name, got, err, s.kind)
		}
		got, _ := os.ReadFile(path)
		if string(got) != s.want {
			t.Errorf("%s: file = %q, want %q", s.name, got, s.want)
		}
		names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
		if len(names) != 0 {
			t.Errorf("%s: left behind: %q", s.name, names)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	for _, path := range []string{"", "/dev/null", filepath.Join(t.TempDir(), "absent", "out")} {
		if f, err := Create(path, true); err == nil {
			f.Cleanup()
			t.Errorf("Create(%q) = nil, want an error", path)
		}
	}
}

func TestKinds(t *testing.T) {
	write := func(err error) error { return fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "f", Err: err}) }
	tests := []struct {
		err       error
		kind      ops.Kind // of a write
		operation ops.Kind // of an operation that may have read, too
	}{
		{write(syscall.ENOSPC), ops.NoSpace, ops.NoSpace},
		{write(syscall.EDQUOT), ops.NoSpace, ops.NoSpace},
		{write(syscall.EROFS), ops.NotWritable, ops.Internal},
		{write(syscall.EACCES), ops.NotWritable, ops.Internal},
		{write(syscall.ENOENT), ops.NotWritable, ops.Internal},
		{write(syscall.EIO), ops.Internal, ops.Internal},
		{context.Canceled, ops.Internal, ops.Internal},
		{&ops.Error{Kind: ops.Refused, Err: syscall.ENOSPC}, ops.NoSpace, ops.Refused},
	}
	for _, tt := range tests {
		if got := Kind(tt.err); got != tt.kind {
			t.Errorf("Kind(%v) = %d, want %d", tt.err, got, tt.kind)
		}
		err := Error("op", tt.err)
		if got := ops.ExitCode(err); got != int(tt.operation) || !errors.Is(err, tt.err) {
			t.Errorf("Error(%v) = %v of kind %d, want kind %d", tt.err, err, got, tt.operation)
		}
	}
	if err := Error("op", nil); err != nil {
		t.Errorf("Error(nil) = %v", err)
	}
}

func TestCopyStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var dst bytes.Buffer
	err := Copy(ctx, &dst, bytes.NewReader(make([]byte, 3<<20)), ops.Discard, "copy", 0)
	if !errors.Is(err, context.Canceled) || dst.Len() != 0 {
		t.Errorf("Copy after cancel = %v with %d bytes, want context.Canceled and none", err, dst.Len())
	}
}
