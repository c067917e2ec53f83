package mkdisk

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/diskfs/go-diskfs/partition/mbr"

	"holdfast/flash"
	"holdfast/ops"
)

const (
	sector    = 512
	blockSize = 4096
	alignment = 1 << 20 // where partitions begin; GRUB's second part lies in front of the first
)

// region is a part of the disk, in bytes.
type region struct{ start, size int64 }

// layout is where the partitions are.
type layout struct{ boot, flash region }

// plan places the partitions: boot as large as its content wants, the flash takes the rest.
func (p *Plan) plan() (layout, error) {
	kernel, err := fileSizes(p.request.Kernel, p.request.Console)
	if err != nil {
		return layout{}, &ops.Error{Kind: ops.Invalid, Op: op, Err: err}
	}
	loader, err := fileSizes(p.request.Loader.tables().copied...)
	if err != nil {
		return layout{}, &ops.Error{Kind: ops.Internal, Op: op, Err: err}
	}
	// Half as much again leaves room for a maintenance kernel and console of a later release.
	boot := wholeMiB(spaceFor(slices.Concat(kernel, loader)) * 3 / 2)
	var files []int64
	for _, img := range p.images {
		for _, size := range img.Sizes {
			files = append(files, size)
		}
	}
	l := layout{boot: region{start: alignment, size: boot}}
	l.flash.start = l.boot.start + l.boot.size
	l.flash.size = p.request.Size/alignment*alignment - l.flash.start
	if need := spaceFor(files); l.flash.size < need {
		return layout{}, &ops.Error{Kind: ops.NoSpace, Op: op,
			Err:  fmt.Errorf("the images do not fit: the disk has %d MiB, they need one of %d MiB", p.request.Size>>20, (l.flash.start+need)>>20),
			Hint: fmt.Sprintf("give --size %dM or more", (l.flash.start+need)>>20)}
	}
	if p.request.Size > 1<<41 {
		return layout{}, &ops.Error{Kind: ops.Usage, Op: op, Err: errors.New("an MBR partition table ends at 2 TiB")}
	}
	return l, nil
}

func fileSizes(names ...string) ([]int64, error) {
	var sizes []int64
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, info.Size())
	}
	return sizes, nil
}

// spaceFor is the size of an ext2 partition of whole MiB that surely holds files of these sizes:
// their blocks, one indirect block for 1024 of them and two more a file, 1/256 for the tables of the
// block groups (a group of 128 MiB has up to 100 blocks of them), and 1 MiB for everything else.
func spaceFor(files []int64) int64 {
	var blocks int64
	for _, size := range files {
		n := (size + blockSize - 1) / blockSize
		blocks += n + n/1024 + 2
	}
	bytes := blocks*blockSize + blocks*blockSize/256 + 1<<20
	return wholeMiB(bytes)
}

func wholeMiB(bytes int64) int64 { return (bytes + alignment - 1) / alignment * alignment }

// identity holds the names that are unique to a disk.
type identity struct {
	signature           [4]byte // of the MBR
	label               string  // of the flash
	bootUUID, flashUUID string
}

// flash is the value of flash= on every command line. A label, not a UUID, as GRUB Legacy passes
// 255 bytes of arguments in all; and it can be given again when the file system is made anew. The
// number in it keeps apart two of our disks in one machine.
func (i identity) flash() string { return "LABEL=" + i.label }

// identify derives the identity from all that goes into the disk, so that the same request makes the
// same disk, and another one never shares its UUIDs.
func (r Request) identify() (identity, error) {
	all := sha256.New()
	fmt.Fprintf(all, "%q %q %q %q %d\n", r.Loader, r.Default, r.ConsoleArgs, r.SystemArgs, r.Size)
	names := []string{r.Kernel, r.Console}
	for _, slot := range flash.Slots {
		names = append(names, r.Images[slot])
	}
	for _, name := range names {
		if name == "" {
			fmt.Fprintln(all, "none")
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return identity{}, err
		}
		one := sha256.New()
		_, err = io.Copy(one, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return identity{}, err
		}
		fmt.Fprintf(all, "%x\n", one.Sum(nil))
	}
	sum := all.Sum(nil)
	uuid := func(what string) string {
		b := sha256.Sum256(append([]byte(what), sum...))
		b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // version 8 of RFC 9562: our own way of making it
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
	}
	// A label of FAT has 11 characters.
	return identity{signature: [4]byte(sum), label: fmt.Sprintf("hf-%x", sum[:4]), bootUUID: uuid("boot"), flashUUID: uuid("flash")}, nil
}

// writeTable gives the disk its size and its MBR, which has no code yet.
func (p *Plan) writeTable(disk *os.File) error {
	if err := disk.Truncate(p.request.Size); err != nil {
		return err
	}
	partition := func(index int, r region) *mbr.Partition {
		return &mbr.Partition{Index: index, Type: mbr.Linux, Start: uint32(r.start / sector), Size: uint32(r.size / sector), Bootable: index == 1}
	}
	table := mbr.Table{
		LogicalSectorSize: sector, PhysicalSectorSize: sector,
		Partitions: []*mbr.Partition{partition(1, p.layout.boot), partition(2, p.layout.flash)},
	}
	if err := table.Write(disk, p.request.Size); err != nil {
		return err
	}
	_, err := disk.WriteAt(p.id.signature[:], 440)
	return err
}
