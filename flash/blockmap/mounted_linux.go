package blockmap

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// File asks the kernel where an open file of a mounted file system lies: by FIEMAP
// (Documentation/filesystems/fiemap.rst), where the file system has none, as vfat, by FIBMAP, which
// needs root. What is in memory only is written out first.
//
// The places are those that the file system's driver gives. They count from the start of its device
// for ext2, ext3, ext4 and vfat; those of btrfs, for one, are no places on a device.
func File(f *os.File) (Map, error) {
	info, err := f.Stat()
	if err != nil {
		return Map{}, err
	}
	if !info.Mode().IsRegular() {
		return Map{}, &os.PathError{Op: "map", Path: f.Name(), Err: errors.New("not a regular file")}
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return Map{}, err
	}
	m := Map{Size: info.Size()}
	var mapErr error
	err = conn.Control(func(fd uintptr) { mapErr = m.ask(fd) })
	if err = errors.Join(err, mapErr); err != nil {
		return Map{}, &os.PathError{Op: "map", Path: f.Name(), Err: err}
	}
	return m, nil
}

// ask tries FIEMAP and then FIBMAP. Their numbers are in include/uapi/linux/fs.h.
func (m *Map) ask(fd uintptr) error {
	err := m.fiemap(func(request *fiemap) error {
		return ioctl(fd, 0xc020660b, unsafe.Pointer(request))
	})
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOTTY) {
		return err
	}
	m.Extents = nil
	if err := unix.Fsync(int(fd)); err != nil {
		return fmt.Errorf("fsync: %w", err)
	}
	var block int32
	if err := ioctl(fd, 2, unsafe.Pointer(&block)); err != nil {
		return fmt.Errorf("FIGETBSZ: %w", err)
	}
	return m.fibmap(int64(block), func(n *int32) error {
		return ioctl(fd, 1, unsafe.Pointer(n))
	})
}

func ioctl(fd uintptr, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// fiemapExtent is struct fiemap_extent of include/uapi/linux/fiemap.h, as are the flags.
type fiemapExtent struct {
	logical, physical, length uint64
	_                         [2]uint64
	flags                     uint32
	_                         [3]uint32
}

const (
	fiemapSync = 1 // write out first

	extentLast      = 0x1
	extentUnknown   = 0x2
	extentDelayed   = 0x4
	extentEncoded   = 0x8
	extentEncrypted = 0x80
	extentUnaligned = 0x100
	extentInline    = 0x200
	extentTail      = 0x400
	extentUnwritten = 0x800
	extentShared    = 0x2000
)

// fiemap is struct fiemap with room for some extents.
type fiemap struct {
	start, length  uint64
	flags          uint32
	mapped         uint32
	room, reserved uint32
	extents        [256]fiemapExtent
}

// fiemap asks in several rounds, until the last extent.
func (m *Map) fiemap(ask func(*fiemap) error) error {
	for start := uint64(0); ; {
		request := fiemap{start: start, length: ^uint64(0) - start, flags: fiemapSync}
		request.room = uint32(len(request.extents))
		if err := ask(&request); err != nil {
			return fmt.Errorf("FIEMAP: %w", err)
		}
		if request.mapped == 0 {
			return nil
		}
		for _, e := range request.extents[:min(request.mapped, request.room)] {
			m.Add(Extent{Logical: int64(e.logical), Physical: int64(e.physical), Length: int64(e.length), Flags: e.translate()})
			if e.flags&extentLast != 0 {
				return nil
			}
			if e.logical+e.length <= start {
				return errors.New("FIEMAP: an extent that was given before")
			}
			start = e.logical + e.length
		}
	}
}

func (e fiemapExtent) translate() Flags {
	var flags Flags
	for _, t := range []struct {
		kernel uint32
		flag   Flags
	}{
		{extentUnwritten, Unwritten},
		{extentInline | extentTail | extentUnaligned, Inline},
		{extentEncrypted, Encrypted},
		{extentDelayed | extentUnknown, Delayed},
		{extentShared, Shared},
	} {
		if e.flags&t.kernel != 0 {
			flags |= t.flag
		}
	}
	if e.flags&extentEncoded != 0 && flags&Encrypted == 0 { // what is encrypted has this flag too
		flags |= Compressed
	}
	return flags
}

// fibmap asks for one block after the other; 0 is a hole. A block is what FIGETBSZ says: of vfat a
// logical sector, not a cluster.
func (m *Map) fibmap(block int64, ask func(*int32) error) error {
	if block <= 0 {
		return fmt.Errorf("FIGETBSZ: blocks of %d bytes", block)
	}
	for i := range (m.Size + block - 1) / block {
		n := int32(i)
		if int64(n) != i {
			return errors.New("FIBMAP: the file has too many blocks")
		}
		err := ask(&n)
		switch {
		case errors.Is(err, unix.EPERM):
			return fmt.Errorf("FIBMAP: %w: its file system tells this to root only; run as root", err)
		case err != nil:
			return fmt.Errorf("FIBMAP: %w", err)
		}
		if n != 0 {
			m.Add(Extent{Logical: i * block, Physical: int64(uint32(n)) * block, Length: block})
		}
	}
	return nil
}
