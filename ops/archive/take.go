package archive

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"holdfast/flash/signature"
	"holdfast/initramfs/compress"
	"holdfast/kexec"
	"holdfast/ops"
)

// taking takes an archive's members one by one, and is what is known of them so far.
type taking struct {
	trust signature.Trust
	limit int64 // bytes of all members together
	put   Put
	tell  func(step string)

	image Image
	tree  tree
	total int64
	texts map[string]string // of the small members
	sums  map[string]sums   // of those that are whole
	heads map[string][]byte // the beginnings of the large ones
	want  map[string][]byte // by SHA256SUMS; nil before it was seen

	free chan []byte // buffers
}

// sums are a member's hashes; md5 is nil where nobody can want it.
type sums struct{ sha256, md5 []byte }

// headLen is how much of a large member is kept: the header of a kernel is within 256 sectors of 512.
const headLen = 256 * 512

func newTaking(trust signature.Trust, limit int64, put Put) *taking {
	t := &taking{trust: trust, limit: limit, put: put, tell: func(string) {}, tree: tree{seen: map[string]bool{}},
		texts: map[string]string{}, sums: map[string]sums{}, heads: map[string][]byte{}, free: make(chan []byte, chunks)}
	t.image.Sizes = map[string]int64{}
	return t
}

// all takes the archive r to its end and judges it.
func (t *taking) all(r io.Reader, method compress.Method) error {
	buffered := bufio.NewReaderSize(r, 4<<10) // large reads go past it
	members, err := t.open(buffered, method)
	if err != nil {
		return err
	}
	for {
		e, err := members.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := t.entry(e, members); err != nil {
			return err
		}
	}
	if method != compress.None {
		if err := drain(buffered); err != nil {
			return err
		}
	}
	return t.judge()
}

// open tells a tar from a cpio archive.
func (t *taking) open(r *bufio.Reader, method compress.Method) (entries, error) {
	head, err := r.Peek(tarBlock)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var members entries
	switch {
	case bytes.HasPrefix(head, []byte("07070")):
		t.image.Format, members = "cpio", newCPIO(r)
	case isTar(head):
		t.image.Format, members = "tar", &tarReader{r: r}
	default:
		return nil, errors.New("not an image archive: want a .tar.gz, .tar.zst, .tar.xz, .tar or .cpio.gz")
	}
	switch method {
	case compress.Gzip:
		t.image.Format += ".gz"
	case compress.Zstd:
		t.image.Format += ".zst"
	case compress.XZ:
		t.image.Format += ".xz"
	}
	return members, nil
}

// maxAfter is how much may follow the end of a tar in its compressed stream, in bytes: tar fills its last
// record, of 10 KiB mostly and 1 MiB at most.
const maxAfter = 1 << 20

// drain reads to the end of the stream, where its checksum is.
func drain(r io.Reader) error {
	n, err := io.CopyN(io.Discard, r, maxAfter+1)
	switch {
	case err == io.EOF:
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("goes on for more than %d bytes after its last member", n-1)
}

func (t *taking) entry(e entry, content io.Reader) error {
	if e.dir {
		return t.tree.folder(e.path)
	}
	name, err := t.tree.member(e.path)
	if err != nil {
		return err
	}
	if err := t.admit(name, e.size); err != nil {
		return err
	}
	t.tell("unpack " + name)
	if err := t.take(name, e.size, content); err != nil {
		return &memberError{name, err}
	}
	return t.seen(name)
}

// admit looks at what is known of a member before its content.
func (t *taking) admit(name string, size int64) error {
	if bound := bounds[name]; bound > 0 && size > bound {
		return invalid(name, "has %d bytes, at most %d are possible", size, bound)
	}
	if left := t.limit - t.total; size > left {
		return &ops.Error{Kind: ops.Invalid, Step: name, Err: fmt.Errorf("has %d bytes, there is room for %d", size, left),
			Hint: "remove what is not needed, holdfast status says what there is; or take a smaller image"}
	}
	if size == 0 && bounds[name] == 0 {
		return invalid(name, "is empty")
	}
	if t.want != nil && !t.vouched(name) {
		return invalid(name, "is not listed in %s", sumsName)
	}
	t.total += size
	t.image.Sizes[name] = size
	return nil
}

func (t *taking) take(name string, size int64, content io.Reader) error {
	out, err := t.put(name, size)
	if err != nil {
		return &putError{err}
	}
	if bounds[name] > 0 {
		err = t.text(name, size, content, out)
	} else {
		err = t.large(name, size, content, out)
	}
	if closed := out.Close(); err == nil && closed != nil {
		return &putError{closed}
	}
	return err
}

// text takes a small member.
func (t *taking) text(name string, size int64, content io.Reader, out io.Writer) error {
	b := make([]byte, size)
	if _, err := io.ReadFull(content, b); err != nil {
		return err
	}
	if _, err := out.Write(b); err != nil {
		return &putError{err}
	}
	t.texts[name] = string(b)
	sha, md := sha256.Sum256(b), md5.Sum(b)
	t.sums[name] = sums{sha[:], md[:]}
	return nil
}

// large takes a member through a few buffers, which are hashed on a goroutine while the next is read
// and written.
func (t *taking) large(name string, size int64, content io.Reader, out io.Writer) error {
	hashes := []hash.Hash{sha256.New()}
	if t.want == nil { // it is then system.sig that may come
		hashes = append(hashes, md5.New())
	}
	work, done := make(chan []byte, chunks), make(chan struct{})
	for len(t.free) < cap(t.free) {
		t.free <- make([]byte, chunkSize)
	}
	go func() {
		defer close(done)
		for b := range work {
			for _, h := range hashes {
				h.Write(b)
			}
			t.free <- b[:cap(b)]
		}
	}()
	err := t.pump(name, size, content, out, work)
	close(work)
	<-done
	if err != nil {
		return err
	}
	s := sums{sha256: hashes[0].Sum(nil)}
	if len(hashes) > 1 {
		s.md5 = hashes[1].Sum(nil)
	}
	t.sums[name] = s
	return nil
}

func (t *taking) pump(name string, size int64, content io.Reader, out io.Writer, work chan<- []byte) error {
	for left := size; left > 0; {
		b := <-t.free
		b = b[:min(left, int64(len(b)))]
		if _, err := io.ReadFull(content, b); err != nil {
			return err
		}
		if left == size {
			if err := t.head(name, size, b[:min(len(b), headLen)]); err != nil {
				return err
			}
		}
		if _, err := out.Write(b); err != nil {
			return &putError{err}
		}
		work <- b
		left -= int64(len(b))
		t.tell("unpack " + name)
	}
	return nil
}

// head looks at the beginning of a large member, before any of it is written.
func (t *taking) head(name string, size int64, b []byte) error {
	t.heads[name] = bytes.Clone(b)
	if name != kernelName {
		return nil
	}
	h, err := kexec.ReadHeader(bytes.NewReader(b), size)
	if err != nil {
		return err
	}
	t.image.Header, t.image.Kernel = h, h.Version
	return nil
}
