package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
)

// large is a whole image, manifest first, of which Peek cannot see the end.
func large(t testing.TB) (plain []byte, size int64) {
	big := strings.Repeat(initrd(), 3)
	plain = tarOf(t, item{name: "top/SHA256SUMS", text: sumsOf("kernel.img", kernel, "initrd.img", big, "kernel.ver", "7\n")},
		item{name: "top/kernel.ver", text: "7\n"}, item{name: "top/kernel.img", text: kernel}, item{name: "top/initrd.img", text: big})
	return plain, int64(len(big) + len(kernel))
}

func TestPeek(t *testing.T) {
	plain, size := large(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a.tar"), plain, 0o644))
	tool(t, "gzip", dir, "gzip", "-k", "a.tar")
	tool(t, "zstd", dir, "zstd", "-q", "a.tar")
	tool(t, "xz-utils", dir, "xz", "-0", "-k", "a.tar")
	tool(t, "bash", dir, "bash", "-c", `cp a.tar.gz padded.tar.gz; printf '\032\032\032\032\032' >> padded.tar.gz`)
	for name, exact := range map[string]bool{"a.tar": true, "a.tar.gz": true, "padded.tar.gz": true, "a.tar.zst": true, "a.tar.xz": false} {
		src, err := File(filepath.Join(dir, name))
		must(t, err)
		img, need, err := Peek(t.Context(), src, signature.Trust{})
		if err != nil || img.Version != "7" || img.Kernel != "6.1.0-test" || img.ID.IsZero() || img.Integrity != flash.Unknown || img.Folder != "top" {
			t.Errorf("%s: Peek = %+v, %v", name, img, err)
		}
		if need < size || !exact && need > size+size/2 || exact && need > int64(len(plain)) {
			t.Errorf("%s: need = %d, the image has %d, the tar %d", name, need, size, len(plain))
		}
		whole, err := Copy(t.Context(), src, signature.Trust{}, 0, Discard, ops.Discard)
		if err != nil || whole.ID != img.ID || whole.Integrity != flash.Intact {
			t.Errorf("%s: Copy = %+v, %v", name, whole, err)
		}
	}
	// Without a manifest in front, and with the large member not begun, it is gzip or zstd that says it.
	must(t, os.WriteFile(filepath.Join(dir, "b.tar"), tarOf(t, item{name: "kernel.img", text: kernel + strings.Repeat("\x00", 2<<20)}, item{name: "initrd.img", text: initrd()}), 0o644))
	tool(t, "gzip", dir, "gzip", "-k", "b.tar")
	tool(t, "zstd", dir, "zstd", "-q", "b.tar")
	for _, name := range []string{"b.tar.gz", "b.tar.zst", "b.tar"} {
		src, err := File(filepath.Join(dir, name))
		must(t, err)
		info, err := os.Stat(filepath.Join(dir, "b.tar"))
		must(t, err)
		if _, need, err := Peek(t.Context(), src, signature.Trust{}); err != nil || need != info.Size() {
			t.Errorf("%s: need = %d, %v, want the %d of the tar", name, need, err, info.Size())
		}
	}
	_, _, err := Peek(t.Context(), Reader("x", strings.NewReader(strings.Repeat("no archive\n", 99))), signature.Trust{})
	if ops.ExitCode(err) != 2 {
		t.Errorf("Peek of text = %v", err)
	}
}

// TestPeekThenCopy of a source that gives its bytes once.
func TestPeekThenCopy(t *testing.T) {
	plain, size := large(t)
	for name, archive := range map[string][]byte{"tar": plain, "tar.gz": zipOf(plain)} {
		src := Reader("standard input", bytes.NewReader(archive))
		for range 2 {
			img, need, err := Peek(t.Context(), src, signature.Trust{})
			if err != nil || img.Version != "7" || need < size {
				t.Fatalf("%s: Peek = %+v, %d, %v", name, img, need, err)
			}
		}
		k := kept{}
		img, err := Copy(t.Context(), src, signature.Trust{}, 0, k.put, ops.Discard)
		if err != nil || img.Integrity != flash.Intact || k["kernel.img"].String() != kernel {
			t.Fatalf("%s: Copy = %+v, %v", name, img, err)
		}
		if _, err := Copy(t.Context(), src, signature.Trust{}, 0, k.put, ops.Discard); ops.ExitCode(err) != 2 || !strings.Contains(err.Error(), "only once") {
			t.Errorf("%s: a second Copy = %v", name, err)
		}
	}
}

// TestCancelWhileNothingComes: an operator who gives up does not wait for a sender, and what the
// sender sends then is not lost.
func TestCancelWhileNothingComes(t *testing.T) {
	plain, _ := large(t)
	r, w := io.Pipe()
	src := Reader("standard input", r)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, _, err := Peek(ctx, src, signature.Trust{}); done <- err }()
	_, err := w.Write(plain[:1000])
	must(t, err)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("Peek = %v", err)
	}
	go func() { w.Write(plain[1000:]); w.Close() }()
	if img, err := Copy(t.Context(), src, signature.Trust{}, 0, Discard, ops.Discard); err != nil || img.Version != "7" {
		t.Errorf("Copy = %+v, %v", img, err)
	}
}

// TestErrorWhileMoreComes: a bad archive is refused although its sender has not ended.
func TestErrorWhileMoreComes(t *testing.T) {
	r, w := io.Pipe()
	go w.Write(append(tarOf(t, item{name: "evil"}), make([]byte, 2<<20)...))
	_, err := Copy(t.Context(), Reader("standard input", r), signature.Trust{}, 0, Discard, ops.Discard)
	if ops.ExitCode(err) != 2 || !strings.HasPrefix(err.Error(), "evil: ") {
		t.Errorf("Copy = %v", err)
	}
}

var errDisk = errors.New("no space left")

type failing struct{ at string }

func (f failing) put(name string, _ int64) (io.WriteCloser, error) {
	if f.at == "put" {
		return nil, errDisk
	}
	return f, nil
}

func (f failing) Write(p []byte) (int, error) {
	if f.at == "write" {
		return 0, errDisk
	}
	return len(p), nil
}

func (f failing) Close() error {
	if f.at == "close" {
		return errDisk
	}
	return nil
}

func TestPutFails(t *testing.T) {
	plain, _ := large(t)
	for _, at := range []string{"put", "write", "close"} {
		_, err := Copy(t.Context(), Reader("x", bytes.NewReader(plain)), signature.Trust{}, 0, failing{at}.put, ops.Discard)
		if err != errDisk { // as it is
			t.Errorf("%s: Copy = %v", at, err)
		}
	}
}

func TestURL(t *testing.T) {
	plain, _ := large(t)
	zip := zipOf(plain)
	mux := http.NewServeMux()
	mux.HandleFunc("/image.tgz", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Error("asks for a compression")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(zip))
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/image.tgz", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/text", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat("hello\n", 999)) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(zip)))
		w.Write(zip[:len(zip)/2])
		panic(http.ErrAbortHandler)
	})
	stalled := make(chan struct{})
	mux.HandleFunc("/stalls", func(w http.ResponseWriter, r *http.Request) {
		w.Write(zip[:len(zip)/2])
		w.(http.Flusher).Flush()
		<-stalled
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(stalled)
	t.Setenv("http_proxy", "http://127.0.0.1:1") // has no say
	for path, says := range map[string]string{
		"/image.tgz": "", "/moved": "",
		"/absent": "the server says 404 Not Found",
		"/loop":   "more than 5 redirects",
		"/text":   "not an image archive",
		"/broken": fmt.Sprintf("the connection broke after %d of %d bytes", len(zip)/2, len(zip)),
		"/stalls": "nothing came for",
	} {
		g := &getter{stall: time.Minute}
		src, err := URL(server.URL + path)
		must(t, err)
		if path == "/stalls" {
			g.stall = 50 * time.Millisecond
			g.url, _ = g.url.Parse(server.URL + path)
			src.Open = g.open
		}
		if _, _, err := Peek(t.Context(), src, signature.Trust{}); says == "" && err != nil {
			t.Errorf("%s: Peek = %v", path, err)
		}
		seen := progress{}
		img, err := Copy(t.Context(), src, signature.Trust{}, 0, Discard, &seen)
		if says == "" && (err != nil || img.Integrity != flash.Intact || seen.total != int64(len(zip)) || seen.done > seen.total) {
			t.Errorf("%s: Copy = %+v, %v; %d of %d bytes", path, img, err, seen.done, seen.total)
		}
		if says != "" && (ops.ExitCode(err) != 2 || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), server.URL)) {
			t.Errorf("%s: Copy = %v, want %q", path, err, says)
		}
	}
	for _, bad := range []string{"ftp://host/x", "http://", "http://%zz/"} {
		if _, err := URL(bad); ops.ExitCode(err) != int(ops.Usage) {
			t.Errorf("URL(%q) = %v", bad, err)
		}
	}
	src, err := URL("http://127.0.0.1:1/image.tgz")
	must(t, err)
	var e *ops.Error
	if _, err := Copy(t.Context(), src, signature.Trust{}, 0, Discard, ops.Discard); !errors.As(err, &e) || e.Kind != ops.Invalid || !strings.Contains(e.Error(), "connection refused") || !strings.Contains(e.Hint, "network") {
		t.Errorf("nobody there: Copy = %v", err)
	}
}

type progress struct{ done, total int64 }

func (p *progress) Progress(n ops.Progress) { p.done, p.total = n.Done, n.Total }
func (p *progress) Log(string)              {}

func TestHTTPS(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	src, err := URL(server.URL)
	must(t, err)
	if _, _, err := Peek(t.Context(), src, signature.Trust{}); ops.ExitCode(err) != 2 || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Peek = %v, want that its certificate is not believed", err)
	}
}

func TestFind(t *testing.T) {
	plain, _ := large(t)
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	file := func(day int) *fstest.MapFile { return &fstest.MapFile{Data: plain, ModTime: at(day)} }
	m := fstest.MapFS{
		"image.tgz": file(1), "IMAGES/new.TAR.ZST": file(3), "a/b/deep.tar.xz": file(2), "a/b/c/deeper.tgz": file(9),
		".hidden.tgz": file(9), "empty.tgz": {ModTime: at(9)}, "text.txt": file(9), "a/x.cpio.gz": file(1),
		".Trash/old.tgz": file(9), "folder.tgz/readme": file(9),
	}
	for i := range 200 {
		m[fmt.Sprintf("many/%03d.tar", i)] = file(1)
	}
	var names []string
	found := Find(Volume{"sdb1", m}, Volume{"sdc1", fstest.MapFS{"image.tgz": file(5)}}, Volume{"sdd1", os.DirFS("/absent")})
	for _, f := range found {
		names = append(names, f.Name)
	}
	if len(found) != maxFound+1 || !slices.Equal(names[:2], []string{"sdb1:/IMAGES/new.TAR.ZST", "sdb1:/a/b/deep.tar.xz"}) || names[maxFound] != "sdc1:/image.tgz" {
		t.Fatalf("found %d: %q", len(found), names)
	}
	if img, err := Copy(t.Context(), found[0].Source, signature.Trust{}, 0, Discard, ops.Discard); err != nil || img.Version != "7" || found[0].Size != int64(len(plain)) {
		t.Errorf("Copy of what was found = %+v, %v", img, err)
	}
	for _, name := range names {
		if strings.Contains(name, "deeper") || strings.Contains(name, "idden") || strings.Contains(name, "Trash") || strings.Contains(name, "empty") {
			t.Errorf("found %s", name)
		}
	}
}
