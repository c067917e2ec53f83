package boot

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
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

// imageArchive is a plain tar of an image, whose kernel is the one given.
func imageArchive(t *testing.T, kernel []byte) archive.Source {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range []struct{ name, text string }{
		{"kernel.ver", "1.3.200\n"}, {"kernel.arg", "quiet console=tty3\n"}, {"kernel.img", string(kernel)}, {"initrd.img", strings.Repeat("initrd ", 1000)},
	} {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: int64(len(m.text))})
		if _, err2 := io.WriteString(w, m.text); err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
	}
	w.Close()
	return archive.Reader("image.tar", &b)
}

func TestBootArchive(t *testing.T) {
	kernel := kexectest.Kernel("6.1.0-archive")
	for name, on := range map[string]*status.Report{"with a flash": report(t, nil), "without": nil} {
		m, err := ReadArchive(t.Context(), imageArchive(t, kernel), signature.Trust{}, ops.Discard)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		p, err := Request{Report: m.Report(on), Image: ArchiveName, Consoles: consoles, Operator: "ttyS0"}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		want := "quiet console=tty0 console=ttyS0,115200 panic=1 img=archive"
		if on != nil {
			want = "quiet console=tty0 console=ttyS0,115200 net.ifnames=0 panic=1 flash=sda2 img=archive"
		}
		text := p.String()
		for _, want := range []string{want, "archive, version 1.3.200", "memory, nothing is saved; read from image.tar", "kernel.img (6.1.0-archive)", "initrd.img", "no manifest", "writes   nothing"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the plan does not say %q:\n%s", name, want, text)
			}
		}
		for range 2 { // after a boot that failed, another can be tried
			machine := &machine{failAt: "jump"}
			if err := p.Apply(context.Background(), machine, ops.Discard); !errors.Is(err, errMachine) {
				t.Errorf("%s: Apply = %v", name, err)
			}
			if machine.kernel != string(kernel) || machine.initrd != strings.Repeat("initrd ", 1000) {
				t.Errorf("%s: loaded a kernel of %d bytes, an initrd of %d", name, len(machine.kernel), len(machine.initrd))
			}
		}
	}
}

func TestReadArchiveRefuses(t *testing.T) {
	kernel := kexectest.Kernel("6.1.0-archive")
	const plenty = 1 << 30
	tests := []struct {
		name   string
		kernel []byte
		trust  signature.Trust
		room   int64
		kind   ops.Kind
		says   string
	}{
		{"no memory", kernel, signature.Trust{}, 0, ops.NoSpace, "image.tar: to boot it from memory takes"},
		{"too little memory", kernel, signature.Trust{}, int64(len(kernel)) * copies, ops.NoSpace, "to boot it from memory takes"},
		{"signatures are required", kernel, signature.Trust{Require: true}, plenty, ops.Invalid, "signed images only"},
		{"no kernel", []byte(strings.Repeat("no kernel\n", 1000)), signature.Trust{}, plenty, ops.Invalid, "kernel.img: not a bzImage"},
	}
	for _, tt := range tests {
		m, err := readArchive(t.Context(), imageArchive(t, tt.kernel), tt.trust, tt.room, ops.Discard)
		var e *ops.Error
		if m != nil || !errors.As(err, &e) || e.Kind != tt.kind || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want kind %d saying %q", tt.name, err, tt.kind, tt.says)
		}
	}
	if room, err := memoryRoom(); err != nil || room < 1<<20 {
		t.Errorf("memoryRoom = %d, %v", room, err)
	}
}

// TestArchiveIsNoFlashImage: what was read from an archive is not taken for what lies on the flash.
func TestArchiveIsNoFlashImage(t *testing.T) {
	m, err := ReadArchive(t.Context(), imageArchive(t, kexectest.Kernel("6.1.0-archive")), signature.Trust{}, ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r := m.Report(report(t, func(m fstest.MapFS) { m["system/archive/kernel.img"] = &fstest.MapFile{Data: []byte("x")} }))
	if img, ok := r.Image(ArchiveName); !ok || img.Integrity != flash.Unchecked || img.Entry != (flash.Entry{}) || len(r.Images) != 1 {
		t.Errorf("%+v", r.Images)
	}
}
