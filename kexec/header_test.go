package kexec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/boot/bzimage"

	"holdfast/kexec"
	"holdfast/kexec/kexectest"
)

// TestReadHeaderDebian takes file(1) and u-root's reader for oracles.
func TestReadHeaderDebian(t *testing.T) {
	path := testKernel(t)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := kexec.ReadHeader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	says, err := exec.Command(tool(t, "file", "file"), "-b", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "bzImage, version " + h.Banner + ","; !strings.Contains(string(says), want) {
		t.Errorf("file says %s, want %q in it", says, want)
	}
	if !strings.HasSuffix(path, "vmlinuz-"+h.Version) {
		t.Errorf("version %q of %s", h.Version, path)
	}
	image := bzimage.BzImage{NoDecompress: true}
	if err := image.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	want := kexec.Header{
		Protocol:    image.Header.Protocolversion,
		Version:     h.Version,
		Banner:      h.Banner,
		Relocatable: image.Header.RelocatableKernel == 1,
		XLoadFlags:  image.Header.XLoadFlags,
		InitrdMax:   image.Header.InitrdAddrMax,
		CmdlineMax:  int(image.Header.CmdLineSize),
		Size:        int64(image.KernelOffset) + int64(image.Header.Syssize)*16,
	}
	if h != want {
		t.Errorf("header %+v, want %+v", h, want)
	}
}

// TestDamagedVersionOffset tries every value of the field: only the right one may give text.
func TestDamagedVersionOffset(t *testing.T) {
	raw, err := os.ReadFile(testKernel(t))
	if err != nil {
		t.Fatal(err)
	}
	good, err := kexec.ReadHeader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	right := binary.LittleEndian.Uint16(raw[0x20e:])
	for at := range 1 << 16 {
		binary.LittleEndian.PutUint16(raw[0x20e:], uint16(at))
		h, err := kexec.ReadHeader(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatalf("offset %#x: %v", at, err)
		}
		want := ""
		if uint16(at) == right {
			want = good.Banner
		}
		if h.Banner != want {
			t.Errorf("offset %#x gives %q, want %q", at, h.Banner, want)
		}
	}
}

func TestReadHeaderErrors(t *testing.T) {
	whole := kexectest.Kernel("6.1.0-test")
	with := func(at int, bytes ...byte) []byte {
		k := kexectest.Kernel("6.1.0-test")
		copy(k[at:], bytes)
		return k
	}
	for _, tt := range []struct {
		name string
		file []byte
		is   error
		text string
	}{
		{"empty", nil, kexec.ErrTruncated, "truncated: empty file"},
		{"short text", []byte("hello\n"), kexec.ErrNotKernel, "not a bzImage: only 6 bytes"},
		{"long text", bytes.Repeat([]byte("hello\n"), 1000), kexec.ErrNotKernel, "not a bzImage: no boot signature"},
		{"zeros", make([]byte, 5000), kexec.ErrNotKernel, "not a bzImage: no boot signature"},
		{"boot sector", with(0x202, 'X'), kexec.ErrNotKernel, "not a bzImage: no setup header"},
		{"protocol", with(0x206, 2, 1), kexec.ErrNotKernel, "not a bzImage: boot protocol 0x0102 is none"},
		{"in the header", whole[:600], kexec.ErrTruncated, "truncated: 600 bytes, the header alone has 616"},
		{"in the setup", whole[:616], kexec.ErrTruncated, "truncated: 616 of 4096 bytes"},
		{"in the kernel", whole[:4095], kexec.ErrTruncated, "truncated: 4095 of 4096 bytes"},
		{"no kernel", with(0x1f4, 0, 0, 0, 0), kexec.ErrNotKernel, "not a bzImage: setup without a kernel"},
		{"payload", with(0x24c, 0xff, 0xff, 0xff, 0xff), kexec.ErrNotKernel,
			"not a bzImage: damaged header: the packed kernel ends at byte 4294969855 of 4096"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := kexec.ReadHeader(bytes.NewReader(tt.file), int64(len(tt.file)))
			if !errors.Is(err, tt.is) || err.Error() != tt.text {
				t.Errorf("ReadHeader = %+v, %v, want %q", h, err, tt.text)
			}
		})
	}
}

func TestReadHeaderVariants(t *testing.T) {
	modern := kexec.Header{
		Protocol: 0x020f, Version: "6.1.0-test", Banner: "6.1.0-test (holdfast@test) #1", Relocatable: true,
		XLoadFlags: 1, InitrdMax: 0x7fffffff, CmdlineMax: 2047, Size: 4096,
	}
	for _, tt := range []struct {
		name string
		edit func(k []byte) []byte
		want func(h *kexec.Header)
	}{
		{"as made", func(k []byte) []byte { return k }, func(*kexec.Header) {}},
		{"signed: longer than promised", func(k []byte) []byte { return append(k, make([]byte, 777)...) }, func(*kexec.Header) {}},
		{"setup_sects 0 means 4", func(k []byte) []byte { k[0x1f1] = 0; return k }, func(*kexec.Header) {}},
		{"no version", func(k []byte) []byte { k[0x20e], k[0x20f] = 0, 0; return k },
			func(h *kexec.Header) { h.Version, h.Banner = "", "" }},
		{"version without an end", func(k []byte) []byte { copy(k[0x300:2560], strings.Repeat("6.1.", 2560)); return k },
			func(h *kexec.Header) { h.Version, h.Banner = "", "" }},
		{"version with an escape", func(k []byte) []byte { k[0x305] = 0x1b; return k },
			func(h *kexec.Header) { h.Version, h.Banner = "", "" }},
		{"iPXE: protocol 2.07, last paragraph not full", func(k []byte) []byte { k[0x206] = 7; return k[:4096-7] },
			func(h *kexec.Header) { h.Protocol, h.XLoadFlags = 0x0207, 0 }},
		{"protocol 2.00", func(k []byte) []byte { k[0x206] = 0; return k }, func(h *kexec.Header) {
			*h = kexec.Header{Protocol: 0x0200, Version: h.Version, Banner: h.Banner, InitrdMax: 0x37ffffff, CmdlineMax: 255, Size: 2560}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.edit(kexectest.Kernel("6.1.0-test"))
			want := modern
			tt.want(&want)
			got, err := kexec.ReadHeader(bytes.NewReader(file), int64(len(file)))
			if err != nil || got != want {
				t.Errorf("ReadHeader = %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// TestTruncated cuts kernels at every length that the headers cover, and at some beyond.
func TestTruncated(t *testing.T) {
	debian, err := os.ReadFile(testKernel(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range [][]byte{kexectest.Kernel("6.1.0"), debian} {
		h, err := kexec.ReadHeader(bytes.NewReader(whole), int64(len(whole)))
		if err != nil {
			t.Fatal(err)
		}
		for n := range min(h.Size, 4096) {
			checkTruncated(t, whole, n)
		}
		for n := int64(4096); n < h.Size; n += 4096 {
			checkTruncated(t, whole, n)
		}
		checkTruncated(t, whole, h.Size-1)
	}
}

func checkTruncated(t *testing.T, whole []byte, n int64) {
	t.Helper()
	_, err := kexec.ReadHeader(bytes.NewReader(whole[:n]), n)
	if !errors.Is(err, kexec.ErrTruncated) && !errors.Is(err, kexec.ErrNotKernel) {
		t.Errorf("cut to %d bytes: error %v", n, err)
	}
}

// TestReadHeaderShorterThanTold is a file that shrank after its size was asked for, or cannot be read.
func TestReadHeaderShorterThanTold(t *testing.T) {
	_, err := kexec.ReadHeader(bytes.NewReader(make([]byte, 100)), 4096)
	if !errors.Is(err, kexec.ErrTruncated) {
		t.Errorf("error %v, want %v", err, kexec.ErrTruncated)
	}
	_, err = kexec.ReadHeader(brokenDisk{}, 4096)
	if !errors.Is(err, io.ErrNoProgress) || errors.Is(err, kexec.ErrTruncated) {
		t.Errorf("error %v, want the disk's", err)
	}
}

type brokenDisk struct{}

func (brokenDisk) ReadAt([]byte, int64) (int, error) { return 0, io.ErrNoProgress }

func FuzzReadHeader(f *testing.F) {
	whole := kexectest.Kernel("6.1.0-test")
	f.Add(whole)
	f.Add(whole[:616])
	f.Add([]byte("#!/bin/sh\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := kexec.ReadHeader(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			if !errors.Is(err, kexec.ErrTruncated) && !errors.Is(err, kexec.ErrNotKernel) {
				t.Errorf("error %v is of no kind", err)
			}
			return
		}
		if h.Size > int64(len(file))+15 {
			t.Errorf("size %d of a file of %d bytes", h.Size, len(file))
		}
		if strings.ContainsFunc(h.Banner, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("banner %q", h.Banner)
		}
	})
}

func TestCheckInitrd(t *testing.T) {
	old := kexec.Header{InitrdMax: 0x37ffffff, XLoadFlags: 1}
	for _, tt := range []struct {
		name   string
		header kexec.Header
		size   int64
		fits   bool
	}{
		{"as large as can be", old, 0x37ffffff, true},
		{"larger", old, 0x38000000, false},
		{"nothing", old, 0, true},
		{"anywhere in memory", kexec.Header{InitrdMax: 0x7fffffff, XLoadFlags: 3}, 1 << 32, true},
	} {
		err := tt.header.CheckInitrd(tt.size)
		if (err == nil) != tt.fits {
			t.Errorf("%s: CheckInitrd(%d) = %v", tt.name, tt.size, err)
		}
	}
	if got, want := old.CheckInitrd(1<<30).Error(), "1073741824 bytes, this kernel takes at most 939524095"; got != want {
		t.Errorf("CheckInitrd says %q, want %q", got, want)
	}
}
