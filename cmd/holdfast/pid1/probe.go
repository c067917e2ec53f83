package pid1

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"holdfast/cmd/holdfast/stage"
)

// probe tells from the first sectors which file system begins at the start of r. The Type of what
// it does not know is "".
func probe(r io.ReaderAt) (stage.Volume, error) {
	head := make([]byte, 2048)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return stage.Volume{}, err
	}
	if n < len(head) {
		return stage.Volume{}, nil
	}
	if v, ok := probeExt(head[1024:]); ok {
		return v, nil
	}
	return probeFAT(head), nil
}

// probeExt reads an ext2, ext3 or ext4 superblock (Documentation/filesystems/ext4/super.rst). The
// three differ by their features only.
func probeExt(super []byte) (stage.Volume, bool) {
	if binary.LittleEndian.Uint16(super[0x38:]) != 0xEF53 {
		return stage.Volume{}, false
	}
	compatible := binary.LittleEndian.Uint32(super[0x5C:])
	incompatible := binary.LittleEndian.Uint32(super[0x60:])
	readOnly := binary.LittleEndian.Uint32(super[0x64:])
	const (
		hasJournal   = 0x4
		needsReplay  = 0x4
		isJournal    = 0x8
		ext3Features = 0x2 | needsReplay | 0x10 // filetype, recover, meta_bg
		ext3ReadOnly = 0x1 | 0x2 | 0x4          // sparse_super, large_file, btree_dir
	)
	v := stage.Volume{
		Type:    "ext2",
		UUID:    uuid(super[0x68:0x78]),
		Label:   text(super[0x78:0x88]),
		Unclean: incompatible&needsReplay != 0,
	}
	switch {
	case incompatible&isJournal != 0:
		return stage.Volume{}, false // the journal of another file system, on a device of its own
	case incompatible&^ext3Features != 0, readOnly&^ext3ReadOnly != 0:
		v.Type = "ext4"
	case compatible&hasJournal != 0:
		v.Type = "ext3"
	}
	return v, true
}

// probeFAT reads the boot sector of a FAT (Microsoft's FAT32 File System Specification). A master
// boot record has its signature too, so the type's name must be there as well.
func probeFAT(sector []byte) stage.Volume {
	if sector[510] != 0x55 || sector[511] != 0xAA {
		return stage.Volume{}
	}
	for _, at := range []int{0x27, 0x43} { // FAT12 and FAT16, FAT32
		serial, label, name := sector[at:at+4], sector[at+4:at+15], sector[at+15:at+18]
		if string(name) != "FAT" {
			continue
		}
		v := stage.Volume{Type: "vfat", Label: text(label)}
		v.UUID = fmt.Sprintf("%02X%02X-%02X%02X", serial[3], serial[2], serial[1], serial[0])
		if v.Label == "NO NAME" {
			v.Label = ""
		}
		return v
	}
	return stage.Volume{}
}

func uuid(b []byte) string {
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// text is a padded field as printable characters.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(b)), " ")
}
