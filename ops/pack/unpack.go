package pack

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"holdfast/flash"
)

// The files of an image.
const (
	kernelName  = "kernel.img"
	initrdName  = "initrd.img"
	argsName    = "kernel.arg"
	versionName = "kernel.ver"
	sumsName    = "SHA256SUMS"
)

// maxText bounds the members that are text, in bytes. maxTotal bounds all of them together, so that
// a small archive cannot fill the disk.
const (
	maxText  = 1 << 20
	maxTotal = 4 << 30
)

// Image is what an archive holds.
type Image struct {
	Version string           // of kernel.ver, else of system.ver; "" when there is neither
	Args    string           // text of kernel.arg; "" when there is none
	Sizes   map[string]int64 // bytes of each member, by its name without the folder
	Checked bool             // SHA256SUMS was there and is right
}

// Unpack writes the members of the archive r into the folder dir, which must exist, and checks them
// against SHA256SUMS. After an error the folder may hold some of them. The archive is a tar or a
// gzip'd tar, with or without one top folder; bytes after its end are ignored, as XMODEM adds some.
func Unpack(r io.Reader, dir string) (Image, error) {
	return read(r, func(name string) (io.WriteCloser, error) {
		return os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	})
}

// Inspect reads and checks an archive as Unpack does, and writes nothing.
func Inspect(r io.Reader) (Image, error) {
	return read(r, func(string) (io.WriteCloser, error) { return nowhere{io.Discard}, nil })
}

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// reader collects what an archive holds while its members pass by.
type reader struct {
	create func(name string) (io.WriteCloser, error)
	folder *string // of the first member
	sizes  map[string]int64
	hashes map[string][]byte
	texts  map[string]string
	total  int64
}

func read(r io.Reader, create func(string) (io.WriteCloser, error)) (Image, error) {
	in, finish, err := decompress(r)
	if err != nil {
		return Image{}, fmt.Errorf("read archive: %w", err)
	}
	a := reader{create: create, sizes: map[string]int64{}, hashes: map[string][]byte{}, texts: map[string]string{}}
	members := tar.NewReader(in)
	for {
		h, err := members.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Image{}, fmt.Errorf("read archive: %w", err)
		}
		if err := a.member(h, members); err != nil {
			return Image{}, fmt.Errorf("read archive: %w", err)
		}
	}
	if err := finish(); err != nil {
		return Image{}, fmt.Errorf("read archive to its end: %w", err)
	}
	return a.image()
}

// decompress looks for gzip by its magic. finish reads on to the checksum at the end of the gzip
// stream, which lies after the end of the tar.
func decompress(r io.Reader) (in io.Reader, finish func() error, err error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, err := buffered.Peek(2)
	if errors.Is(err, io.EOF) {
		return nil, nil, errors.New("empty")
	}
	if err != nil {
		return nil, nil, err
	}
	if magic[0] != 0x1f || magic[1] != 0x8b {
		return buffered, func() error { return nil }, nil
	}
	zip, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, nil, err
	}
	zip.Multistream(false)
	return zip, func() error {
		n, err := io.Copy(io.Discard, io.LimitReader(zip, maxTotal))
		if err == nil && n == maxTotal {
			err = errors.New("no end in sight")
		}
		return err
	}, nil
}

// member takes one member. Only plain files of known names and their folder are wanted: an image
// archive has no use for links, devices or paths.
func (a *reader) member(h *tar.Header, content io.Reader) error {
	path := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir {
		folder := strings.TrimSuffix(path, "/")
		if folder == "" || folder == "." {
			return nil
		}
		return a.inFolder(h.Name, folder)
	}
	if h.Typeflag != tar.TypeReg {
		return fmt.Errorf("%q is not a plain file", h.Name)
	}
	folder, name, found := strings.Cut(path, "/")
	if !found {
		folder, name = "", path
	} else if folder == "" {
		return fmt.Errorf("%q does not belong into an image", h.Name)
	}
	if err := a.inFolder(h.Name, folder); err != nil {
		return err
	}
	text, known := members()[name]
	if !known {
		return fmt.Errorf("%q does not belong into an image", h.Name)
	}
	if _, twice := a.sizes[name]; twice {
		return fmt.Errorf("%q is there twice", h.Name)
	}
	a.total += h.Size
	if text && h.Size > maxText || a.total > maxTotal {
		return fmt.Errorf("%q is too large (%d bytes)", h.Name, h.Size)
	}
	return a.take(name, text, h.Size, content)
}

// members tells the known files of an image, and which of them are text. system.* is Formilux's.
func members() map[string]bool {
	return map[string]bool{
		kernelName: false, initrdName: false, argsName: true, versionName: true, sumsName: true,
		"SHA256SUMS.minisig": true, "system.ver": true, "system.sig": true,
	}
}

// inFolder checks that all members share one top folder, or have none.
func (a *reader) inFolder(path, folder string) error {
	if folder == ".." || folder == "." || strings.Contains(folder, "/") {
		return fmt.Errorf("%q does not belong into an image", path)
	}
	if a.folder == nil {
		a.folder = &folder
	}
	if *a.folder != folder {
		return fmt.Errorf("%q is not in the one top folder %q", path, *a.folder)
	}
	return nil
}

func (a *reader) take(name string, text bool, size int64, content io.Reader) error {
	out, err := a.create(name)
	if err != nil {
		return err
	}
	hash := sha256.New()
	var kept strings.Builder
	to := []io.Writer{out, hash}
	if text {
		to = append(to, &kept)
	}
	_, err = io.Copy(io.MultiWriter(to...), content)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.sizes[name] = size
	a.hashes[name] = hash.Sum(nil)
	a.texts[name] = kept.String()
	return nil
}

// image judges the whole.
func (a *reader) image() (Image, error) {
	if _, ok := a.sizes[kernelName]; !ok {
		return Image{}, errors.New("archive holds no kernel.img")
	}
	img := Image{Args: a.texts[argsName], Sizes: a.sizes}
	for _, name := range []string{"system.ver", versionName} {
		if text, ok := a.texts[name]; ok {
			img.Version = strings.TrimSpace(text)
		}
	}
	if img.Version != "" {
		if err := CheckVersion(img.Version); err != nil {
			return Image{}, err
		}
	}
	if sums, ok := a.texts[sumsName]; ok {
		if err := a.checkSums(sums); err != nil {
			return Image{}, fmt.Errorf("%s: %w", sumsName, err)
		}
		img.Checked = true
	}
	return img, nil
}

// checkSums compares every hash, and wants one for every file but the manifest and its signature.
func (a *reader) checkSums(text string) error {
	manifest, err := flash.ParseManifest(strings.NewReader(text), flash.SHA256)
	if err != nil {
		return err
	}
	listed := map[string]bool{sumsName: true, sumsName + ".minisig": true}
	for _, sum := range manifest.Sums {
		switch have, ok := a.hashes[sum.Name]; {
		case !ok:
			return fmt.Errorf("%s is missing", sum.Name)
		case !bytes.Equal(have, sum.Hash):
			return fmt.Errorf("%s: hash differs", sum.Name)
		}
		listed[sum.Name] = true
	}
	for name := range a.hashes {
		if !listed[name] {
			return fmt.Errorf("%s is not listed", name)
		}
	}
	return nil
}
