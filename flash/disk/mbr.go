package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// typeProtective is the type of an entry for a GPT (include/linux/msdos_partition.h).
const typeProtective = 0xee

// entry is one of the four of a boot record: 16 bytes from byte 446 on.
type entry struct {
	active byte // 0x80, else 0
	kind   byte
	start  uint32 // in sectors; from where, see readMBR
	length uint32 // in sectors
}

func (e entry) extended() bool { return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85 }

func (e entry) empty() bool { return e.length == 0 }

type record [4]entry

// protective reports whether the record only keeps old programs off a GPT, or is a hybrid of both, of
// which the GPT counts (block/partitions/efi.c, is_pmbr_valid).
func (r record) protective() bool {
	for _, e := range r {
		if e.kind == typeProtective && e.start == 1 {
			return true
		}
	}
	return false
}

// errNoRecord means a sector that is no boot record.
var errNoRecord = errors.New("no boot record")

// bootRecord decodes a sector with partition entries: the MBR, or one in an extended partition. The
// boot sector of a FAT ends with the same two bytes. Where it has code or text in the place of the
// entries it is no record; where it has zeros, or an entry for the whole disk as mkfs.fat --mbr
// writes, its own fields tell.
func (d device) bootRecord(n int64) (record, error) {
	b, err := d.read(n)
	if errors.Is(err, ErrBeyond) {
		return record{}, errNoRecord
	}
	if err != nil {
		return record{}, err
	}
	if b[510] != 0x55 || b[511] != 0xaa {
		return record{}, errNoRecord
	}
	var r record
	used := false // by something that begins behind this sector
	for i := range r {
		e := b[446+16*i:]
		r[i] = entry{active: e[0], kind: e[4], start: binary.LittleEndian.Uint32(e[8:]), length: binary.LittleEndian.Uint32(e[12:])}
		if r[i].active&^0x80 != 0 {
			return record{}, errNoRecord
		}
		used = used || !r[i].empty() && r[i].start != 0
	}
	if _, ok := decodeFAT(b); ok && !used {
		return record{}, errNoRecord
	}
	return r, nil
}

// readMBR gives the primary partitions by their place in the table, and behind them the logical ones.
func (d device) readMBR(boot record) (Table, error) {
	var t Table
	for i, e := range boot {
		if e.empty() || e.extended() {
			continue // an extended one is a box for others, nothing to mount
		}
		p, err := d.partition(i+1, uint64(e.start), uint64(e.length))
		if err != nil {
			return Table{}, err
		}
		t.Partitions = append(t.Partitions, p)
	}
	next := 5
	for _, e := range boot {
		if !e.extended() || e.empty() {
			continue
		}
		list, err := d.logical(e, next)
		if err != nil {
			return Table{}, err
		}
		t.Partitions, next = append(t.Partitions, list...), next+len(list)
	}
	return t, nil
}

// maxLinks bounds a chain of boot records, as many as the kernel gives partitions to a disk.
const maxLinks = 256

// logical follows the chain of boot records in an extended partition (block/partitions/msdos.c,
// parse_extended): a partition counts from its own record, the link to the next from the start of
// the extended one. Numbers are given in the order of the chain.
func (d device) logical(box entry, number int) ([]Partition, error) {
	var list []Partition
	first := int64(box.start)
	seen := map[int64]bool{}
	for at := first; ; {
		if seen[at] || len(seen) == maxLinks {
			return nil, fmt.Errorf("the chain of logical partitions has no end: sector %d", at)
		}
		seen[at] = true
		r, err := d.bootRecord(at)
		if errors.Is(err, errNoRecord) && at == first {
			return list, nil // nothing was made in it yet
		}
		if err != nil {
			return nil, fmt.Errorf("logical partitions: sector %d: %w", at, err)
		}
		link := int64(0)
		for _, e := range r[:2] { // the others are not used, and hold anything
			switch {
			case e.empty():
			case e.extended():
				link = first + int64(e.start)
			default:
				p, err := d.partition(number+len(list), uint64(at)+uint64(e.start), uint64(e.length))
				if err != nil {
					return nil, err
				}
				list = append(list, p)
			}
		}
		if link == 0 {
			return list, nil
		}
		at = link
	}
}
