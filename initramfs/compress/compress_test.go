package compress

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
)

var methods = []Method{None, Gzip, Zstd, XZ, LZ4}

// content is something that compresses, but not to nothing, and starts like an archive.
func content(n int) []byte {
	words := []string{"kernel ", "module ", "flash ", "console ", "0707", "\x00\x00\x00\x00"}
	random := rand.New(rand.NewPCG(1, 2))
	b := []byte("070701")
	for len(b) < n {
		b = append(b, words[random.IntN(len(words))]...)
		b = append(b, byte(random.Uint32()))
	}
	return b[:n]
}

func pack(t testing.TB, m Method, plain []byte, cut int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, m)
	if err != nil {
		t.Fatal(err)
	}
	for len(plain) > 0 {
		n := min(cut, len(plain))
		if _, err := w.Write(plain[:n]); err != nil {
			t.Fatal(err)
		}
		plain = plain[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpack(raw []byte) (plain, rest []byte, z *Reader, err error) {
	in := bufio.NewReader(bytes.NewReader(raw))
	if z, err = NewReader(in); err != nil {
		return nil, nil, nil, err
	}
	defer z.Close()
	if plain, err = io.ReadAll(z); err != nil {
		return plain, nil, z, err
	}
	rest, err = io.ReadAll(in)
	return plain, rest, z, err
}

func TestRoundTrip(t *testing.T) {
	const next = "070701 the next archive"
	for _, m := range methods[1:] {
		for _, size := range []int{6, 7, 100, 1000, 1001, 1002, 1003, 200_000, 300_001} {
			plain := content(size)
			raw := pack(t, m, plain, 1<<20)
			if len(raw)%4 != 0 {
				t.Errorf("%v of %d bytes: %d bytes packed, want a multiple of four", m, size, len(raw))
			}
			got, rest, z, err := unpack(append(raw, next...))
			if err != nil || z.Method != m || z.Objection != "" {
				t.Fatalf("%v of %d bytes: %v, %+v", m, size, err, z)
			}
			if !bytes.Equal(got, plain) {
				t.Errorf("%v of %d bytes: %d bytes come back different", m, size, len(got))
			}
			for m == Zstd && !bytes.HasPrefix(rest, []byte("0707")) {
				var filler []byte
				if filler, rest, _, err = unpack(rest); err != nil || len(filler) != 0 {
					t.Fatalf("%v of %d bytes: filler %q, %v", m, size, filler, err)
				}
			}
			if rest = bytes.TrimLeft(rest, "\x00"); string(rest) != next {
				t.Errorf("%v of %d bytes: left behind the stream: %q", m, size, rest)
			}
		}
	}
}

func TestSameBytesHoweverCut(t *testing.T) {
	plain := content(600_000)
	for _, m := range methods {
		if !bytes.Equal(pack(t, m, plain, 1<<20), pack(t, m, plain, 1013)) {
			t.Errorf("%v: writes of other sizes give other bytes", m)
		}
	}
}

func TestToolsReadOurs(t *testing.T) {
	tools := map[Method][]string{
		Gzip: {"gzip", "-dc"}, Zstd: {"zstd", "-dcq"}, XZ: {"xz", "-dc"}, LZ4: {"lz4", "-dc"},
	}
	for _, size := range []int{1000, 1001, 1002, 1003, 9 << 20} {
		plain := content(size)
		for m, tool := range tools {
			if size > 1<<20 && m != LZ4 { // whose blocks are 8 MiB
				continue
			}
			raw := pack(t, m, plain, 1<<20)
			if m == LZ4 { // the program does not know the kernel's end mark
				raw = withoutLZ4End(raw)
			}
			if got := run(t, raw, tool...); !bytes.Equal(got, plain) {
				t.Errorf("%v of %d bytes: %s gives %d other bytes", m, size, tool[0], len(got))
			}
		}
	}
}

func withoutLZ4End(raw []byte) []byte {
	at := uint32(4)
	for {
		n := binary.LittleEndian.Uint32(raw[at:])
		if n == 0 {
			return raw[:at]
		}
		at += 4 + n
	}
}

func TestReadsTools(t *testing.T) {
	tests := []struct {
		size      int
		tool      []string
		method    Method
		objection string
	}{
		{3 << 20, []string{"gzip", "-c"}, Gzip, ""},
		{3 << 20, []string{"zstd", "-1", "-cq"}, Zstd, ""},
		{3 << 20, []string{"zstd", "-3", "-cq", "--no-check"}, Zstd, ""},
		{3 << 20, []string{"zstd", "-1", "-cq", "--long=27"}, Zstd, ""},
		{3 << 20, []string{"xz", "-0", "-c", "--check=crc32"}, XZ, ""},
		{3 << 20, []string{"xz", "-0", "-c", "--check=none"}, XZ, ""},
		{3 << 20, []string{"xz", "-0", "-c", "--check=crc64"}, XZ, "not CRC32"},
		{3 << 20, []string{"xz", "-0", "-c", "--check=sha256", "-T2", "--block-size=1MiB"}, XZ, "not CRC32"},
		{3 << 20, []string{"xz", "-c", "--check=crc32", "--x86", "--lzma2=preset=0"}, XZ, ""},
		{9 << 20, []string{"lz4", "-lc"}, LZ4, ""},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.tool, " "), func(t *testing.T) {
			plain := content(test.size)
			raw := run(t, plain, test.tool...)
			tail := "\x00\x00\x00\x00tail"
			got, rest, z, err := unpack(append(raw, tail...))
			if err != nil || z.Method != test.method {
				t.Fatalf("%v, %v", z, err)
			}
			if !bytes.Equal(got, plain) || string(rest) != tail {
				t.Errorf("%d bytes and %q behind them, want %d and %q", len(got), rest, len(plain), tail)
			}
			if (z.Objection != "") != (test.objection != "") || !strings.Contains(z.Objection, test.objection) {
				t.Errorf("objection %q, want %q", z.Objection, test.objection)
			}
		})
	}
}

func TestDamage(t *testing.T) {
	plain := content(200_000)
	for _, m := range methods[1:] {
		raw := pack(t, m, plain, 1<<20)
		for _, n := range []int{len(raw) / 2, len(raw) - len(raw)/7} {
			if got, _, _, err := unpack(raw[:n]); err == nil {
				t.Errorf("%v cut at %d of %d: %d bytes and no error", m, n, len(raw), len(got))
			}
		}
	}
	if _, _, _, err := unpack([]byte("\xfd7zXZ\x00")); err == nil {
		t.Error("an xz magic alone is accepted")
	}
}

func TestDetect(t *testing.T) {
	tests := []struct {
		head   string
		method Method
		err    string
	}{
		{"070701", None, ""},
		{"070702", None, ""},
		{"\x1f\x8b\x08", Gzip, ""},
		{"\x28\xb5\x2f\xfd", Zstd, ""},
		{"\xfd7zXZ\x00", XZ, ""},
		{"\x02\x21\x4c\x18", LZ4, ""},
		{"\x04\x22\x4d\x18", None, "LZ4 frame"},
		{"BZh9", None, "bzip2"},
		{"MZ", None, "neither"},
		{"", None, "neither"},
	}
	for _, test := range tests {
		m, err := Detect([]byte(test.head))
		if m != test.method || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("Detect(%q) = %v, %v, want %v, %q", test.head, m, err, test.method, test.err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, m := range methods {
		if got, err := Parse(m.String()); got != m || err != nil {
			t.Errorf("Parse(%q) = %v, %v", m.String(), got, err)
		}
	}
	if _, err := Parse("bzip2"); err == nil || !strings.Contains(err.Error(), "zstd") {
		t.Errorf("Parse(bzip2): %v, want the choices", err)
	}
}

// The lengths that pieces finds do not depend on how the input arrives.
func TestSmallReads(t *testing.T) {
	for _, m := range methods[1:] {
		plain := content(5000)
		in := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(pack(t, m, plain, 5000))), 16)
		z, err := NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%v: %d bytes, %v", m, len(got), err)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, m := range methods {
		f.Add(pack(f, m, content(3000), 3000))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		z, err := NewReader(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		defer z.Close()
		io.Copy(io.Discard, io.LimitReader(z, 32<<20))
	})
}

func run(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	packages := map[string]string{"gzip": "gzip", "zstd": "zstd", "xz": "xz-utils", "lz4": "lz4"}
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", args[0], packages[args[0]])
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, complaint.String())
	}
	return out.Bytes()
}
