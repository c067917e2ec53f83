package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/flash/signature"
	"holdfast/ops"
)

// attack is an archive that must be refused, naming what is wrong with it.
type attack struct {
	Name    string
	Archive []byte
	Says    string
}

// What TestAttacksOnFlash needs is exported: it is outside, as ops/install imports this package.

// Attacks are all of them.
func Attacks(t testing.TB) []attack { return append(written(t), made(t)...) }

// Good is an archive that is none.
func Good(t testing.TB) []byte { return zipOf(tarOf(t, k)) }

// Kernel is a small one.
var Kernel = []byte(kernel)

var k = item{name: "top/kernel.img", text: kernel}

// written are attacks that no program makes on its own.
func written(t testing.TB) []attack {
	a := func(items ...item) []byte { return zipOf(tarOf(t, items...)) }
	ini := item{name: "top/initrd.img", text: "initrd"}
	sums := item{name: "top/SHA256SUMS", text: sumsOf("kernel.img", kernel)}
	pax := func(key, value string) item {
		return item{name: "top/initrd.img", text: "initrd", pax: map[string]string{key: value}}
	}
	var many []item
	for range maxHeaders {
		many = append(many, item{name: "top/", kind: tar.TypeDir})
	}
	raw := tarOf(t, k)
	body := raw[:len(raw)-1024]
	end := make([]byte, 1024)
	return []attack{
		{"empty", nil, "archive: the archive is empty"},
		{"text", []byte(strings.Repeat("hello\n", 1000)), "archive: not an image archive"},
		{"short text", []byte("hello\n"), "archive: not an image archive"},
		{"bzip2", []byte("BZh91AY&SY and so on"), "archive: bzip2"},
		{"lz4", []byte("\x02\x21\x4c\x18 and so on 12"), "archive: lz4"},
		{"compressed text", zipOf([]byte(strings.Repeat("hello\n", 1000))), "archive: not an image archive"},
		{"empty tar", zipOf(make([]byte, 10240)), "not an image archive"},
		{"no kernel", a(ini), "kernel.img: is missing"},
		{"absolute path", a(k, item{name: "/etc/passwd", text: "x"}), "/etc/passwd: is an absolute path"},
		{"absolute member", a(item{name: "/kernel.img", text: kernel}), "/kernel.img: is an absolute path"},
		{"out of it", a(k, item{name: "top/../../kernel.arg"}), "top/../../kernel.arg: leads out of the archive"},
		{"out of it at once", a(item{name: "../kernel.img", text: kernel}), "../kernel.img: leads out"},
		{"folder out of it", a(item{name: "../", kind: tar.TypeDir}, k), "../: leads out"},
		{"dots inside", a(item{name: "top/./kernel.img", text: kernel}), "top/./kernel.img: does not belong"},
		{"slashes inside", a(item{name: "top//kernel.img", text: kernel}), "top//kernel.img: does not belong"},
		{"unknown member", a(k, item{name: "top/evil.sh"}), "top/evil.sh: does not belong into an image"},
		{"unknown member first", a(item{name: "top/grub.cfg"}, k), "top/grub.cfg: does not belong"},
		{"terminal codes in a name", a(k, item{name: "top/\x1b[2Jx"}), `"top/\x1b[2Jx": does not belong`},
		{"too deep", a(item{name: "a/b/kernel.img", text: kernel}), "a/b/kernel.img: does not belong"},
		{"deep folder", a(item{name: "a/b/", kind: tar.TypeDir}, k), "a/b/: does not belong"},
		{"two folders", a(k, item{name: "other/kernel.arg"}), "other/kernel.arg: is not beside the other members, which are in the folder top"},
		{"two empty folders", a(k, item{name: "other/", kind: tar.TypeDir}), "other/: is not beside"},
		{"beside its folder", a(k, item{name: "kernel.arg"}), "kernel.arg: is not beside"},
		{"hard link", a(k, item{name: "top/initrd.img", kind: tar.TypeLink, link: "top/kernel.img"}), "top/initrd.img: is a hard link"},
		{"character device", a(k, item{name: "top/initrd.img", kind: tar.TypeChar}), "top/initrd.img: is a character device"},
		{"block device", a(k, item{name: "top/initrd.img", kind: tar.TypeBlock}), "top/initrd.img: is a block device"},
		{"unknown type", changed(tarOf(t, k), func(h []byte) { h[156] = 'Z' }), "top/kernel.img: is of the unknown type"},
		{"contiguous", changed(tarOf(t, k), func(h []byte) { h[156] = '7' }), "top/kernel.img: is a contiguous file"},
		{"twice", a(k, k), "top/kernel.img: is there twice"},
		{"twice by ./", a(k, item{name: "./top/kernel.img", text: kernel}), "./top/kernel.img: is there twice"},
		{"PAX path", changedPAX(t, "path", "top/initrd.img"), "top/kernel.img: its PAX header says another path: \"top/initrd.img\""},
		{"PAX size", changedPAX(t, "size", "5"), "top/kernel.img: its PAX header says another size"},
		{"PAX link", changedPAX(t, "linkpath", "x"), "top/kernel.img: its PAX header says another linkpath"},
		{"PAX sparse", changedPAX(t, "GNU.sparse.major", "1"), "top/kernel.img: its PAX header says another GNU.sparse.major"},
		{"PAX sparse, old", changedPAX(t, "GNU.sparse.size", "1000"), "top/kernel.img: its PAX header says another GNU.sparse.size"},
		{"PAX path in all", zipOf(join(paxHeader('g', "13 path=topp\n"), body, end)), "its global PAX header says a path"},
		{"PAX twice", zipOf(join(paxHeader('x', "9 a=bcde\n"), paxHeader('x', "9 a=bcde\n"), body, end)), "is the second PAX header"},
		{"PAX of nothing", zipOf(join(body, paxHeader('x', "9 a=bcde\n"), end)), "a PAX header and nothing"},
		{"PAX damaged", zipOf(join(paxHeader('x', "99999 a=b\n"), body, end)), "damaged PAX header"},
		{"PAX negative", zipOf(join(paxHeader('x', "-9 a=bcd\n"), body, end)), "damaged PAX header"},
		{"PAX without end", zipOf(join(paxHeader('x', "9 a=bcdef"), body, end)), "damaged PAX header"},
		{"PAX says it twice", zipOf(join(paxHeader('x', "23 path=top/kernel.img\n23 path=top/kernel.img\n"), body, end)), "says a path twice"},
		{"PAX huge", zipOf(join(paxHeader('x', strings.Repeat("9 a=bcde\n", maxPAX/9+1)), body, end)), "is a PAX header of"},
		{"PAX endless", zipOf(bytes.Repeat(paxHeader('g', "9 a=bcde\n"), 100)), "more than 64 headers"},
		{"many headers", a(append(many, k)...), "more than 64 headers"},
		{"size by GNU's base 256", changed(tarOf(t, k), func(h []byte) { h[124] = 0x80 }), "top/kernel.img: its size: not an octal number"},
		{"negative size", changed(tarOf(t, k), func(h []byte) { copy(h[124:], "-0000000001\x00") }), "top/kernel.img: its size: not an octal number"},
		{"folder with content", changed(tarOf(t, item{name: "top/", kind: tar.TypeDir}, k), func(h []byte) { copy(h[124:], "00000001000\x00") }), "top/: is a folder of 512 bytes"},
		{"wrong header sum", func() []byte { b := slices.Clone(raw); b[0]++; return zipOf(b) }(), "not an image archive"},
		{"wrong later header", func() []byte { b := tarOf(t, k, ini); b[len(body)]++; return zipOf(b) }(), "no tar header where one should be"},
		{"beyond the limit", a(k, item{name: "top/initrd.img", text: strings.Repeat("x", 1<<20)}), "initrd.img: has 1048576 bytes, there is room for"},
		{"far beyond the limit", changed(tarOf(t, k), func(h []byte) { copy(h[124:], "77777777777\x00") }), "kernel.img: has 8589934591 bytes, there is room for"},
		{"long arguments", a(k, item{name: "top/kernel.arg", text: strings.Repeat("a", 16<<10+1)}), "kernel.arg: has 16385 bytes"},
		{"long version", a(k, item{name: "top/kernel.ver", text: strings.Repeat("a", 257)}), "kernel.ver: has 257 bytes"},
		{"long manifest", a(k, item{name: "top/SHA256SUMS", text: strings.Repeat("a", 64<<10+1)}), "SHA256SUMS: has 65537 bytes"},
		{"long signature", a(k, item{name: "top/SHA256SUMS.minisig", text: strings.Repeat("a", 10<<10+1)}), "SHA256SUMS.minisig: has 10241 bytes"},
		{"empty kernel", a(item{name: "top/kernel.img"}), "kernel.img: is empty"},
		{"empty initrd", a(k, item{name: "top/initrd.img"}), "initrd.img: is empty"},
		{"text as kernel", a(item{name: "top/kernel.img", text: strings.Repeat("no kernel\n", 1000)}), "kernel.img: not a bzImage"},
		{"half a kernel", a(item{name: "top/kernel.img", text: kernel[:len(kernel)/2]}), "kernel.img: truncated"},
		{"version of a path", a(k, item{name: "top/kernel.ver", text: "../.."}), "kernel.ver: version ../..: want"},
		{"version of two lines", a(k, item{name: "top/kernel.ver", text: "1\n2"}), "kernel.ver: version"},
		{"version is a slot", a(k, item{name: "top/kernel.ver", text: "Active"}), "kernel.ver: version \"Active\""},
		{"old version of a path", a(k, item{name: "top/system.ver", text: "a/b"}), "system.ver: version a/b"},
		{"other hash, manifest last", a(k, item{name: "top/SHA256SUMS", text: sumsOf("kernel.img", "K")}), "kernel.img: hash differs"},
		{"other hash, manifest first", a(item{name: "top/SHA256SUMS", text: sumsOf("kernel.img", "K")}, k), "kernel.img: hash differs"},
		{"not listed, manifest last", a(k, ini, sums), "initrd.img: is not listed in SHA256SUMS"},
		{"not listed, manifest first", a(sums, ini, k), "initrd.img: is not listed in SHA256SUMS"},
		{"manifest lists more", a(k, item{name: "top/SHA256SUMS", text: sumsOf("kernel.img", kernel, "initrd.img", "")}), "initrd.img: is missing; SHA256SUMS lists it"},
		{"manifest of text", a(k, item{name: "top/SHA256SUMS", text: "no hash\n"}), "SHA256SUMS: line 1"},
		{"empty manifest", a(k, item{name: "top/SHA256SUMS"}), "SHA256SUMS: holds no hashes"},
		{"manifest out of it", a(k, item{name: "top/SHA256SUMS", text: sumsOf("../kernel.img", kernel)}), "SHA256SUMS: line 1"},
		{"old manifest, other hash", a(k, item{name: "top/system.sig", text: md5Of("kernel.img", "K")}), "kernel.img: hash differs"},
		{"old manifest, not listed", a(k, ini, item{name: "top/system.sig", text: md5Of("kernel.img", kernel)}), "initrd.img: is not listed in system.sig"},
		{"old manifest lists more", a(k, item{name: "top/system.sig", text: md5Of("kernel.img", kernel, "initrd.img", "")}), "initrd.img: is missing; system.sig"},
		{"signature of nothing", a(k, item{name: "top/SHA256SUMS.minisig", text: "x"}), "SHA256SUMS.minisig: is there without SHA256SUMS"},
		{"text as signature", a(k, sums, item{name: "top/SHA256SUMS.minisig", text: "x"}), "SHA256SUMS.minisig: not a minisign signature"},
		{"zeros without end", zipOf(append(slices.Clone(raw), make([]byte, maxAfter+1)...)), "archive: goes on for more than 1048576 bytes"},
		{"another size than said", cpioOf("kernel.img", kernel[:len(kernel)-4], len(kernel)), "archive"},
		{"cut gzip", zipOf(raw)[:len(zipOf(raw))-9], "cut short"},
		{"cut in the member", zipOf(raw[:1000]), "kernel.img: the archive is cut short"},
		{"cut before the end", zipOf(body), "the archive is cut short"},
		{"cut plain", raw[:1000], "kernel.img: the archive is cut short"},
		{"wrong checksum", func() []byte { b := zipOf(raw); b[len(b)-6]++; return b }(), "checksum"},
		{"a sparse file of another kind", a(k, pax("SCHILY.realsize", "5")), "top/initrd.img: its PAX header says another SCHILY.realsize"},
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// changed edits the first header of a tar and makes its sum right again.
func changed(b []byte, edit func(header []byte)) []byte {
	edit(b[:512])
	return zipOf(summed(b))
}

func summed(b []byte) []byte {
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// paxHeader is an extended header by hand.
func paxHeader(kind byte, records string) []byte {
	b := make([]byte, 512+(len(records)+511)/512*512)
	copy(b, "PaxHeaders/x")
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0000000000000\x00", len(records)))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	copy(b[512:], records)
	return summed(b)
}

// changedPAX is an archive whose PAX header overrides what the kernel's own says.
func changedPAX(t testing.TB, key, value string) []byte {
	n := len(key) + len(value) + 3
	record := ""
	for len(record) != n {
		n++
		record = fmt.Sprintf("%d %s=%s\n", n, key, value)
	}
	return zipOf(join(paxHeader('x', record), tarOf(t, k)))
}

// cpioOf is a record whose header says another size, and the trailer.
func cpioOf(name, text string, size int) []byte {
	record := func(name, text string, size int) string {
		h := "070701"
		for _, n := range []int{1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name) + 1, 0} {
			h += fmt.Sprintf("%08x", n)
		}
		h += name + "\x00"
		h += strings.Repeat("\x00", -len(h)&3)
		return h + text + strings.Repeat("\x00", -len(text)&3)
	}
	return []byte(record(name, text, size) + record("TRAILER!!!", "", 0))
}

// made are attacks made by the real programs.
func made(t testing.TB) []attack {
	dir := t.TempDir()
	write := func(name, text string) {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("top/kernel.img", kernel)
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "top/kernel.arg")))
	must(t, os.Symlink("/etc", filepath.Join(dir, "link")))
	write("links/kernel.img", kernel)
	must(t, os.Link(filepath.Join(dir, "links/kernel.img"), filepath.Join(dir, "links/initrd.img")))
	tool(t, "coreutils", dir, "mkdir", "fifo", "sparse")
	tool(t, "coreutils", dir, "mkfifo", "fifo/kernel.img")
	write("sparse/kernel.img", kernel)
	must(t, os.Truncate(filepath.Join(dir, "sparse/kernel.img"), 50<<20))
	long := strings.Repeat("n", 120)
	write(long+"/kernel.img", kernel)
	sh := func(command string) []byte {
		return tool(t, "bash", dir, "bash", "-e", "-o", "pipefail", "-c", command)
	}
	return []attack{
		{"symbolic link", sh("tar czf - top"), "top/kernel.arg: is a symbolic link"},
		{"symbolic link, cpio", sh("find top | sort | cpio --quiet -o -H newc | gzip"), "top/kernel.arg: is a symbolic link"},
		{"folder is a link", sh("tar czf - link"), "link: is a symbolic link"},
		{"hard link", sh("tar czf - links/kernel.img links/initrd.img"), "links/initrd.img: is a hard link"},
		{"hard link, cpio", sh("printf 'links/kernel.img\\nlinks/initrd.img\\n' | cpio --quiet -o -H newc"), "links/kernel.img: is a hard link"},
		{"FIFO", sh("tar czf - fifo"), "fifo/kernel.img: is a FIFO"},
		{"FIFO, cpio", sh("find fifo | cpio --quiet -o -H newc"), "fifo/kernel.img: is a FIFO"},
		{"device, cpio", sh("cd /; echo dev/null | cpio --quiet -o -H newc"), "dev/null: is a character device"},
		{"device", sh("tar czf - -C / dev/null"), "dev/null: is a character device"},
		{"sparse, GNU", sh("tar czSf - --format=gnu sparse"), "sparse/kernel.img: is a sparse file"},
		{"sparse, PAX 1.0", sh("tar czSf - --format=pax sparse"), "GNU"},
		{"sparse, PAX 0.0", sh("tar czSf - --format=pax --sparse-version=0.0 sparse"), "GNU"},
		{"long name, GNU", sh("tar czf - --format=gnu " + long), "././@LongLink: is a long name"},
		{"long name, PAX", sh("tar czf - --format=pax " + long), "its PAX header says another path"},
		{"absolute", sh("tar czPf - /etc/hostname"), "/etc/hostname: is an absolute path"},
		{"volume label", sh("tar czf - -V label top/kernel.img"), "label: is a volume's name"},
		{"incremental", sh("tar czf - -g snap --format=gnu links"), "links/: is a folder of an incremental dump"},
		{"old cpio", sh("echo links/kernel.img | cpio --quiet -o -H odc"), "070707"},
		{"trailing text in tar", sh("tar cf x.tar links/kernel.img; truncate -s -9000 x.tar; cat x.tar"), "cut short"},
		{"cut zst", sh("tar cf - links/kernel.img | zstd -q > x; head -c -9 x"), "cut short"},
		{"cut xz", sh("tar cf - links/kernel.img | xz -0 > x; head -c -9 x"), "cut short"},
		{"changed zst", sh("tar cf - links/kernel.img | zstd -q --check > x; printf XXXX | dd of=x bs=1 seek=$(($(stat -c %s x)-4)) conv=notrunc status=none; cat x"), "archive: "},
		{"changed xz", sh("tar cf - links/kernel.img | xz -0 > x; printf XXXX | dd of=x bs=1 seek=200 conv=notrunc status=none; cat x"), "xz"},
		{"window of zstd --long", sh("head -c 20000000 /dev/zero > z; tar cf - --format=ustar links/kernel.img z | zstd -q --long=27"), "made with too large a window"},
		{"window of zstd --ultra -22", sh("tar cf - links/kernel.img | zstd -q --ultra -22"), "made with too large a window"},
		{"window of xz --lzma2=preset=0,dict=9MiB", sh("tar cf - links/kernel.img | xz --lzma2=preset=0,dict=9MiB"), "made with too large a window"},
	}
}

// TestAttacks: each is refused as invalid, names the member, and no member is ever given more than
// what was checked before.
func TestAttacks(t *testing.T) {
	limit := int64(len(kernel)) + 1<<19
	for _, tt := range Attacks(t) {
		_, got, err := copied(tt.Archive, signature.Trust{}, limit)
		var e *ops.Error
		if !errors.As(err, &e) || ops.ExitCode(err) != 2 || !strings.Contains(err.Error(), tt.Says) {
			t.Errorf("%s: Copy = %v (exit %d), want exit 2 saying %q", tt.Name, err, ops.ExitCode(err), tt.Says)
		} else if e.Hint == "" {
			t.Errorf("%s: %v, and nothing says what to do", tt.Name, err)
		}
		total := 0
		for name, b := range got {
			if _, known := bounds[name]; !known {
				t.Errorf("%s: put was given %q", tt.Name, name)
			}
			total += b.Len()
		}
		if int64(total) > limit {
			t.Errorf("%s: %d bytes were written, the limit is %d", tt.Name, total, limit)
		}
	}
}

// TestBomb: what is small and would become large is stopped at its header, or at the limit.
func TestBomb(t *testing.T) {
	big := tool(t, "tar", t.TempDir(), "bash", "-e", "-o", "pipefail", "-c",
		"mkdir top; head -c 50000000 /dev/zero > top/initrd.img; tar cf - top | gzip -1")
	_, got, err := copied(big, signature.Trust{}, 1<<20)
	if ops.ExitCode(err) != 2 || !strings.HasPrefix(err.Error(), "initrd.img: has 50000000 bytes") || len(got) != 0 {
		t.Errorf("Copy = %v, %v given", err, slices.Collect(maps.Keys(got)))
	}
}
