package ext

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"holdfast/flash/blockmap"
)

// nodeBlock encodes a node of an extent tree; room is the number of bytes it has.
func nodeBlock(room, depth int, entries ...entry) []byte {
	b := le.AppendUint16(nil, extentMagic)
	b = le.AppendUint16(b, uint16(len(entries)))
	b = le.AppendUint16(b, uint16(room/extentSize-1))
	b = le.AppendUint16(b, uint16(depth))
	b = le.AppendUint32(b, 0)
	for _, e := range entries {
		b = le.AppendUint32(b, uint32(e.logical))
		if depth > 0 {
			b = le.AppendUint32(b, uint32(e.physical))
			b = le.AppendUint32(b, uint32(e.physical>>32))
			continue
		}
		count := e.count
		if e.unwritten {
			count += maxExtentLen
		}
		b = le.AppendUint16(b, uint16(count))
		b = le.AppendUint16(b, uint16(e.physical>>32))
		b = le.AppendUint32(b, uint32(e.physical))
	}
	return append(b, make([]byte, room-len(b))...)
}

// treeFS is a file system of 1 KiB blocks that are nodes, and a file with one of them as the root.
func treeFS(root []byte, nodes map[int][]byte) (*FS, *inode) {
	data := make([]byte, 200*1024)
	for number, node := range nodes {
		copy(data[number*1024:], node)
	}
	f := &FS{r: bytes.NewReader(data), size: int64(len(data)), super: superblock{blocks: 200, firstBlock: 1}}
	return f, &inode{number: 12, mode: typeRegular, flags: flagExtents, size: 1 << 20, pointers: [60]byte(root)}
}

// TestDeepExtents follows trees that are deeper than those that the kernel writes to small disks.
func TestDeepExtents(t *testing.T) {
	index := func(logical, physical uint64) entry { return entry{logical: logical, physical: physical} }
	data := func(logical, physical, count uint64) entry {
		return entry{logical: logical, physical: physical, count: count}
	}
	chain := func(depth int) map[int][]byte { // in block 10 the node of that depth, and so on
		nodes := map[int][]byte{}
		for i := range depth {
			nodes[10+i] = nodeBlock(1024, depth-i, index(0, uint64(11+i)))
		}
		nodes[10+depth] = nodeBlock(1024, 0, data(3, 100, 5), data(8, 105, 2), entry{10, 120, 1, true})
		return nodes
	}
	want := "[{3072 102400 7168 } {10240 122880 1024 unwritten}]"
	for _, tt := range []struct {
		name  string
		root  []byte
		nodes map[int][]byte
		want  string // the extents, or the error's end
	}{
		{"depth 1", nodeBlock(60, 1, index(0, 10)), chain(0), want},
		{"depth 2", nodeBlock(60, 2, index(0, 10)), chain(1), want},
		{"depth 5", nodeBlock(60, 5, index(0, 10)), chain(4), want},
		{"another depth", nodeBlock(60, 5, index(0, 10)), chain(3), "10: depth 3, not 4"},
		{"depth 6", nodeBlock(60, 6, index(0, 10)), chain(5), "depth 6"},
		{"a loop", nodeBlock(60, 2, index(0, 10)), map[int][]byte{10: nodeBlock(1024, 1, index(0, 10))}, "10: depth 1, not 0"},
		{"a leaf twice", nodeBlock(60, 1, index(0, 10), index(9, 10)), chain(0), "that are not its own"},
		{"an overlap", nodeBlock(60, 0, data(0, 100, 5), data(4, 110, 1)), nil, "entry 1 is not behind the one before"},
		{"no order", nodeBlock(60, 0, data(9, 100, 1), data(4, 110, 1)), nil, "entry 1 is not behind the one before"},
		{"a block twice", nodeBlock(60, 0, data(0, 10, 150), data(150, 10, 150)), nil, "more blocks than the file system"},
		{"node outside", nodeBlock(60, 1, index(0, 200)), nil, "outside of the file system"},
		{"node far outside", nodeBlock(60, 1, index(0, 1<<47)), nil, "outside of the file system"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := func() (blockmap.Map, error) {
				f, in := treeFS(tt.root, tt.nodes)
				return f.mapInode(in)
			}()
			got := fmt.Sprint(m.Extents)
			if err != nil {
				got = err.Error()
			}
			if !strings.HasSuffix(got, tt.want) {
				t.Errorf("mapInode = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestPointersToThemselves is a file whose blocks of pointers are one and the same.
func TestPointersToThemselves(t *testing.T) {
	f, in := treeFS(make([]byte, 60), map[int][]byte{10: bytes.Repeat([]byte{10, 0, 0, 0}, 256)})
	in.flags = 0
	in.pointers = [60]byte(append(make([]byte, 56), 10, 0, 0, 0))
	in.size = 1 << 40
	if _, err := f.mapInode(in); err == nil || !strings.HasSuffix(err.Error(), "more blocks than the file system") {
		t.Errorf("mapInode = %v", err)
	}
}
