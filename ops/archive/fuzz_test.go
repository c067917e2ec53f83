package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash/flashtest"
	"holdfast/flash/signature"
	"holdfast/ops"
)

// FuzzCopy: whatever the bytes are, little memory is asked for, nothing but known members is given
// away, no more than the limit, and every refusal is of kind Invalid.
func FuzzCopy(f *testing.F) {
	for _, a := range written(f) {
		if len(a.Archive) < 64<<10 {
			f.Add(a.Archive)
		}
	}
	good := tarOf(f, k, item{name: "top/SHA256SUMS", text: sumsOf("kernel.img", kernel)})
	f.Add(good)
	f.Add(zipOf(good))
	f.Add(cpioOf("kernel.img", kernel, len(kernel)))
	name := filepath.Join(f.TempDir(), "good.tar")
	must(f, os.WriteFile(name, good, 0o644))
	f.Add(tool(f, "zstd", "", "zstd", "-q", "-c", name))
	f.Add(tool(f, "xz-utils", "", "xz", "-0", "-c", name))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		flashtest.Bounded(t, 64<<20, func() { // a zstd window and its tables are most of it
			img, got, err := copied(b, signature.Trust{}, limit)
			if err != nil && ops.ExitCode(err) != 2 {
				t.Errorf("Copy = %v", err)
			}
			total := 0
			for name, content := range got {
				if _, known := bounds[name]; !known {
					t.Errorf("was given %q", name)
				}
				if err == nil && int64(content.Len()) != img.Sizes[name] {
					t.Errorf("%s: %d bytes, said %d", name, content.Len(), img.Sizes[name])
				}
				total += content.Len()
			}
			if total > limit {
				t.Errorf("%d bytes were given", total)
			}
			if err == nil && got["kernel.img"] == nil {
				t.Error("no kernel and no error")
			}
		})
	})
}

// FuzzTar holds the tar reader against the standard library's: what is taken here is the same there.
func FuzzTar(f *testing.F) {
	f.Add(tarOf(f, k, item{name: "top/kernel.arg", text: "a"}))
	f.Add(changedPAXPlain(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := &tarReader{r: bytes.NewReader(b)}, tar.NewReader(bytes.NewReader(b))
		for {
			e, err := ours.next()
			if err != nil {
				return // that we refuse more is what it is for
			}
			h, err := theirs.Next()
			for err == nil && h.Typeflag == tar.TypeXGlobalHeader {
				h, err = theirs.Next()
			}
			if err != nil {
				if errors.Is(err, tar.ErrHeader) {
					return // it is stricter with numbers that are nothing to us
				}
				t.Fatalf("we read %+v, archive/tar says %v", e, err)
			}
			if strings.TrimSuffix(h.Name, "/") != strings.TrimSuffix(e.path, "/") || h.Size != e.size || (h.Typeflag == tar.TypeDir) != e.dir {
				t.Fatalf("we read %+v, archive/tar %q, %d bytes, type %q", e, h.Name, h.Size, h.Typeflag)
			}
			mine, err := io.ReadAll(ours)
			if err != nil {
				return
			}
			if other, err := io.ReadAll(theirs); err != nil || !bytes.Equal(mine, other) {
				t.Fatalf("%+v: contents differ, %v", e, err)
			}
		}
	})
}

// changedPAXPlain is a tar with a PAX header that changes nothing.
func changedPAXPlain(t testing.TB) []byte {
	return tarOf(t, item{name: "top/kernel.img", text: kernel, pax: map[string]string{"SCHILY.xattr.user.a": "b"}})
}
