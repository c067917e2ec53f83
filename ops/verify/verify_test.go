package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/status"
)

// report is of a flash with a whole image in active, one without a manifest in backup, none in factory,
// and a configuration that is none.
func report(t *testing.T, trust signature.Trust, edit func(fstest.MapFS)) *status.Report {
	t.Helper()
	m := fstest.MapFS{"cfg/config.cur": {Data: []byte("text")}}
	for _, slot := range []string{"active", "backup"} {
		m[path.Join("system", slot, "kernel.img")] = &fstest.MapFile{Data: kexectest.Kernel("6.1.0-" + slot)}
		m[path.Join("system", slot, "kernel.ver")] = &fstest.MapFile{Data: []byte("1\n")}
	}
	m["system/active/SHA256SUMS"] = &fstest.MapFile{Data: fmt.Appendf(nil, "%x  kernel.img\n", sha256.Sum256(m["system/active/kernel.img"].Data))}
	if edit != nil {
		edit(m)
	}
	r, err := status.Read(status.Target{FS: m, Name: "test", Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFlash(t *testing.T) {
	const noManifest = "no manifest: nothing says whether it is whole"
	require := signature.Trust{Require: true}
	spoil := func(m fstest.MapFS) {
		m["system/active/kernel.img"] = &fstest.MapFile{Data: kexectest.Kernel("6.1.0-other")}
	}
	tests := []struct {
		name, image string
		trust       signature.Trust
		edit        func(fstest.MapFS)
		want        flash.Integrity
		problems    []string
	}{
		{"intact", "active", signature.Trust{}, nil, flash.Intact, nil},
		{"no manifest", "backup", signature.Trust{}, nil, flash.Unchecked, []string{noManifest}},
		{"not signed", "active", require, nil, flash.Intact, []string{status.Unsigned}},
		{"neither", "backup", require, nil, flash.Unchecked, []string{status.Unsigned}},
		{"damaged", "active", signature.Trust{}, spoil, flash.Damaged, []string{"kernel.img: hash differs"}},
		{"damaged and not signed", "active", require, spoil, flash.Damaged, []string{"kernel.img: hash differs"}},
		{"broken manifest", "active", signature.Trust{}, func(m fstest.MapFS) { m["system/active/SHA256SUMS"].Data = []byte("hello\n") },
			flash.Damaged, []string{"SHA256SUMS: line 1: does not start with a hash"}},
		{"whole, and no kernel", "active", signature.Trust{}, func(m fstest.MapFS) {
			m["system/active/kernel.img"].Data = []byte("text")
			m["system/active/SHA256SUMS"].Data = fmt.Appendf(nil, "%x  kernel.img\n", sha256.Sum256([]byte("text")))
		}, flash.Intact, []string{"kernel.img: not a bzImage"}},
	}
	for _, tt := range tests {
		got, err := Flash(context.Background(), report(t, tt.trust, tt.edit), tt.image, ops.Discard)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
			continue
		}
		r := got[0]
		same := slices.EqualFunc(r.Problems, tt.problems, func(got, want string) bool { return strings.HasPrefix(got, want) })
		if r.Integrity != tt.want || !same || r.Good != (tt.problems == nil) {
			t.Errorf("%s: %+v, want %v, %q", tt.name, r, tt.want, tt.problems)
		}
	}
}

func TestFlashAll(t *testing.T) {
	got, err := Flash(context.Background(), report(t, signature.Trust{}, nil), "", ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range got {
		names = append(names, fmt.Sprint(r.Name, " ", r.Good))
	}
	if want := []string{"active true", "backup false", "config.cur false"}; !slices.Equal(names, want) {
		t.Errorf("Flash = %q, want %q", names, want)
	}
	for _, tt := range []struct {
		name string
		edit func(fstest.MapFS)
		kind ops.Kind
	}{
		{"factory", nil, ops.Invalid},
		{"pending", nil, ops.Usage},
		{"", func(m fstest.MapFS) {
			for name := range m {
				if strings.HasPrefix(name, "system/") {
					delete(m, name)
				}
			}
			m["system"] = &fstest.MapFile{Mode: 0o755 | 1<<31}
		}, ops.Invalid},
	} {
		if got, err := Flash(context.Background(), report(t, signature.Trust{}, tt.edit), tt.name, ops.Discard); ops.ExitCode(err) != int(tt.kind) {
			t.Errorf("%q: Flash = %+v, %v; want exit code %d", tt.name, got, err, tt.kind)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Flash(ctx, report(t, signature.Trust{}, nil), "active", ops.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// failing is a source that cannot be read.
type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func TestArchiveFails(t *testing.T) {
	got, err := Archive(context.Background(), archive.Reader("standard input", strings.NewReader("text")), signature.Trust{}, ops.Discard)
	if err != nil || got.Good || got.Integrity != flash.Damaged || len(got.Problems) != 1 {
		t.Errorf("text: %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Archive(ctx, archive.Reader("standard input", failing{io.ErrClosedPipe}), signature.Trust{}, ops.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
