package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/status"
)

// ArchiveName is img= for an image that was booted from an archive.
const ArchiveName = "archive"

// Memory is an image that was read from an archive into memory. It is checked, lies on no disk, and is
// an fs.FS of its kernel and initrd.
type Memory struct {
	archive.Image
	Source string // name of the archive
	files  map[string]*os.File
}

// ReadArchive reads an archive into memory, and refuses, as an *ops.Error, one that is not whole, one that
// this machine must not boot by trust, and one for which there is not memory enough.
func ReadArchive(ctx context.Context, src archive.Source, trust signature.Trust, rep ops.Reporter) (*Memory, error) {
	room, err := memoryRoom()
	if err != nil {
		return nil, fail(ops.Internal, "look how much memory there is", err)
	}
	return readArchive(ctx, src, trust, room, rep)
}

// copies is how often a kernel and an initrd are in memory at the worst moment: here, as kexec_file_load
// reads them, and where the next kernel will find them.
const copies = 3

// readArchive is ReadArchive with room bytes of memory for all copies.
func readArchive(ctx context.Context, src archive.Source, trust signature.Trust, room int64, rep ops.Reporter) (*Memory, error) {
	_, need, err := archive.Peek(ctx, src, trust)
	if err != nil {
		return nil, err
	}
	if need > room/copies {
		return nil, noRoom(src.Name, need, room)
	}
	m := &Memory{Source: src.Name, files: map[string]*os.File{}}
	total := int64(0)
	m.Image, err = archive.Copy(ctx, src, trust, 0, func(name string, size int64) (io.WriteCloser, error) {
		if name != "kernel.img" && name != "initrd.img" {
			return archive.Discard(name, size)
		}
		if total += size; total > room/copies {
			return nil, noRoom(name, total, room)
		}
		f, err := memoryFile(name)
		if err != nil {
			return nil, fail(ops.Internal, "make room in memory for "+name, err)
		}
		m.files[name] = f
		return open{f}, nil
	}, rep)
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func noRoom(what string, need, room int64) error {
	e := fail(ops.NoSpace, what, fmt.Errorf("to boot it from memory takes %d MiB, there are %d", need*copies>>20+1, room>>20))
	e.Hint = "install it instead: that takes little memory"
	return e
}

// open keeps a file open that a copy is done with.
type open struct{ *os.File }

func (open) Close() error { return nil }

// Close frees the memory.
func (m *Memory) Close() error {
	var errs []error
	for _, f := range m.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Open opens kernel.img or initrd.img.
func (m *Memory) Open(name string) (fs.File, error) {
	f := m.files[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return again(f)
}

// Report is the image as that of a flash, for a Request: it boots with the local arguments and flash=
// of the flash that on reports of; nil when there is none.
func (m *Memory) Report(on *status.Report) *status.Report {
	img := status.Image{Header: m.Header, Integrity: m.Integrity, Signer: m.Signature.Signer,
		Image: flash.Image{Name: ArchiveName, Present: true, Version: m.Version, Kernel: "kernel.img", Arguments: m.Arguments, Size: m.Size(), ID: m.ID}}
	if m.files["initrd.img"] != nil {
		img.Initrd = "initrd.img"
	}
	r := &status.Report{Images: []status.Image{img}, Target: status.Target{FS: m, Name: m.Source}}
	if on != nil {
		r.Arguments, r.Target.Word = on.Arguments, on.Target.Word
	}
	return r
}
