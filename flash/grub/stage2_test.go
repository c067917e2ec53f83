package grub

import (
	"bytes"
	"testing"
)

// stage2Sample is a sector 2 written by hand from the offsets of stage2/shared.h.
func stage2Sample(entry byte) []byte {
	b := bytes.Repeat([]byte{0x90}, 512)
	copy(b, []byte{0xea, 0x70, 0x82, 0, 0, 0, 3, 2, 0xff, 0xff, 0xff, 0, entry, 0, 0, 0, 0, 0})
	copy(b[0x12:], "0.96\x00/boot/grub/menu.lst\x00")
	return b
}

func TestStage2(t *testing.T) {
	old := stage2Sample(3)
	s, err := DecodeStage2(old)
	if err != nil || s.Entry() != "3" || s.Once() != "" || s.Version != "0.96" || s.Retry() {
		t.Fatalf("DecodeStage2 = %+v, %v, want entry 3 of 0.96", s, err)
	}
	changed, err := s.With("2")
	if err != nil {
		t.Fatal(err)
	}
	got, err := changed.Encode()
	want := bytes.Clone(old)
	want[0xc] = 2
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("With(2).Encode() = %x, %v, want one byte changed: %x", got, err, want)
	}
	for _, entry := range []string{"", "-1", "240", "247", "4294967296", "01", "x"} {
		if got, err := s.With(entry); err == nil {
			t.Errorf("With(%q) = %+v, want an error", entry, got)
		}
	}
	for n, want := range map[byte]bool{239: false, 240: true, 247: true, 248: false} {
		if s, err := DecodeStage2(stage2Sample(n)); err != nil || s.Retry() != want {
			t.Errorf("entry %d: Retry = %v, %v, want %v", n, s.Retry(), err, want)
		}
	}
}

func TestDecodeStage2Refuses(t *testing.T) {
	with := func(at int, b ...byte) []byte {
		s := stage2Sample(0)
		copy(s[at:], b)
		return s
	}
	for name, b := range map[string][]byte{
		"empty":                 nil,
		"short":                 stage2Sample(0)[:511],
		"long":                  append(stage2Sample(0), 0),
		"zeros":                 make([]byte, 512),
		"another version":       with(7, 1),
		"in a partition":        with(8, 0xff, 0xff, 0),
		"four bytes of 255":     with(8, 0xff, 0xff, 0xff, 0xff),
		"a stage1.5":            with(0x10, 2),
		"no version":            with(0x12, 0),
		"GRUB 1":                with(0x12, []byte("1.96\x00")...),
		"a version without end": with(0x12, bytes.Repeat([]byte("0.9"), 160)...),
		"a strange version":     with(0x12, []byte("0.9\x01\x00")...),
	} {
		if s, err := DecodeStage2(b); err == nil {
			t.Errorf("%s: DecodeStage2 = %+v, want an error", name, s)
		}
	}
}
