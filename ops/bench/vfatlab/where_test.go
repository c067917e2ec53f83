package vfatlab

import (
	"encoding/binary"
	"fmt"
	"strings"

	"holdfast/ops/bench/crashlab"
)

// geometry says which part of a FAT a byte belongs to, for people who read what went wrong (Microsoft's
// fatgen103, "Boot Sector and BPB").
type geometry struct {
	reserved, fat, root, clusters int64 // where FAT 1 begins, the size of a FAT, where the root and the clusters begin
	cluster                       int64
}

func geometryOf(disk []byte) geometry {
	le := binary.LittleEndian
	fat := int64(le.Uint16(disk[22:]))
	if fat == 0 {
		fat = int64(le.Uint32(disk[36:]))
	}
	g := geometry{reserved: int64(le.Uint16(disk[14:])) * sector, fat: fat * sector, cluster: int64(disk[13]) * sector}
	g.root = g.reserved + int64(disk[16])*g.fat
	g.clusters = g.root + int64(le.Uint16(disk[17:]))*32
	return g
}

func (g geometry) place(offset int64) string {
	switch {
	case offset < g.reserved:
		return fmt.Sprintf("boot sector %d", offset/sector)
	case offset < g.root:
		return fmt.Sprintf("FAT %d sector %d", 1+(offset-g.reserved)/g.fat, (offset-g.reserved)%g.fat/sector)
	case offset < g.clusters:
		return fmt.Sprintf("root sector %d", (offset-g.root)/sector)
	}
	return fmt.Sprintf("cluster %d", 2+(offset-g.clusters)/g.cluster)
}

// writes lists what the epoch of a state wrote. Each directory's sector is recognized by its entries.
func (g geometry) writes(log crashlab.Log, epoch int) string {
	var list []string
	n, some := 0, false
	for _, e := range log {
		switch {
		case e.Kind == crashlab.Flush && some: // two flushes in a row are one
			n, some = n+1, false
		case e.Kind == crashlab.Write:
			some = true
			if n == epoch {
				list = append(list, fmt.Sprintf("\n    %d: %s, %d bytes%s", len(list), g.place(e.Offset), len(e.Data), names(e.Data)))
			}
		}
	}
	return strings.Join(list, "")
}

// names shows the short names of a sector that looks like a directory's, with start clusters and sizes.
func names(data []byte) string {
	var list []string
	for i := 0; i+32 <= min(len(data), sector); i += 32 {
		e := data[i : i+32]
		switch {
		case e[0] == 0:
			i = len(data)
		case e[0] < ' ' || e[0] > 'z' && e[0] != 0xe5 || e[11]&0x0f != 0x0f && e[11]&^0x37 != 0:
			return ""
		case e[11] != 0x0f:
			name := strings.ReplaceAll(string(e[:11]), "\xe5", "~")
			list = append(list, fmt.Sprintf("%s@%d+%d", strings.Join(strings.Fields(name), "."), binary.LittleEndian.Uint16(e[26:]), binary.LittleEndian.Uint32(e[28:])))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return ": " + strings.Join(list, " ")
}
