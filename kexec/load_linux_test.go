package kexec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ukexec "github.com/u-root/u-root/pkg/boot/kexec"
	"golang.org/x/sys/unix"

	"holdfast/kexec/kexectest"
)

// failing is a loader that fails with err, or loads when that is nil.
func failing(m Method, err error) loader {
	return loader{m, func(*os.File, *os.File, string) error { return err }}
}

func TestLoadFallback(t *testing.T) {
	// As u-root words it: with the whole command line.
	file := func(errno error) error { return fmt.Errorf("SYS_kexec_file_load(3, 4, secret, 0) = %w", errno) }
	for _, tt := range []struct {
		name          string
		first, second error
		want          Method
		text          string
	}{
		{"first does", nil, unix.EINVAL, KexecFileLoad, ""},
		{"missing", file(unix.ENOSYS), nil, KexecLoad, ""},
		{"forbidden", file(unix.EPERM), nil, KexecLoad, ""},
		{"busy", file(unix.EBUSY), nil, KexecLoad, ""},
		{"unknown file", file(unix.ENOEXEC), nil, KexecLoad, ""},
		{"no reason to try another", file(unix.EINVAL), nil, 0, "load kernel: kexec_file_load: invalid argument"},
		{"no memory", file(unix.ENOMEM), nil, 0, "load kernel: kexec_file_load: cannot allocate memory"},
		{"both missing", file(unix.ENOSYS), ukexec.ErrKexec{Errno: unix.ENOSYS, Segments: []ukexec.Segment{{}}}, 0,
			"load kernel: kexec_file_load: this kernel is built without it (function not implemented); " +
				"kexec_load: this kernel is built without it (function not implemented)"},
		{"both forbidden", file(unix.EPERM), fmt.Errorf("kexec load(1, 2, 3): %w", ukexec.ErrKexec{Errno: unix.EPERM}), 0,
			"load kernel: kexec_file_load: not allowed: not root, or locked by kexec_load_disabled or lockdown (operation not permitted); " +
				"kexec_load: not allowed: not root, or locked by kexec_load_disabled or lockdown (operation not permitted)"},
		{"busy, then unreadable", file(unix.EBUSY), errors.New("parsing bzImage Linux kernel: no"), 0,
			"load kernel: kexec_file_load: another load is under way (device or resource busy); " +
				"kexec_load: parsing bzImage Linux kernel: no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			method, err := load(nil, nil, "secret", failing(KexecFileLoad, tt.first), failing(KexecLoad, tt.second))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if method != tt.want || text != tt.text {
				t.Errorf("load = %s, %q, want %s, %q", method, text, tt.want, tt.text)
			}
			var errno unix.Errno
			if err != nil && (!errors.As(err, &errno) || !errors.Is(tt.first, errno)) {
				t.Errorf("%v does not hold %v", err, tt.first)
			}
		})
	}
}

// TestLoadSegmentsDamaged hands u-root's unpacker a kernel that makes it index past its end.
func TestLoadSegmentsDamaged(t *testing.T) {
	raw := kexectest.Kernel("6.1.0-test")
	copy(raw[0x24c:], []byte{0, 0, 0, 0}) // payload_length
	path := filepath.Join(t.TempDir(), "kernel.img")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	kernel, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	err = loadSegments(kernel, nil, "")
	if err == nil || strings.Contains(err.Error(), "kexec_load") {
		t.Errorf("loadSegments = %v, want an error before anything is loaded", err)
	}
	t.Log(err)
}
