// Package tree is what the file systems of the test hold: testdata/populate writes it in a virtual
// machine, and the test compares what it reads.
package tree

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"strings"
	"time"
)

// Action is what is done to a part of a file.
type Action int

// The actions. Reserving is what fallocate does; where it cannot, there is a hole instead.
const (
	Write       Action = iota
	Reserve            // and let the file grow
	ReserveOver        // over the file's end, which stays
	Punch              // a hole
)

// Piece is a part of a file, in bytes.
type Piece struct {
	Action
	Offset, Length int64
}

// File is one file. Those with the same Group, which follow each other in the list, are written in
// turn, a piece at a time, and fsync is called after every piece.
type File struct {
	Name   string
	Mode   fs.FileMode // the type only
	Target string      // of a symbolic link; of a regular file, the file that it is another name of
	Pieces []Piece
	Size   int64 // when it is more than the pieces make it
	Group  string
	Gone   bool // deleted when its group is written
	Time   time.Time
}

// Files is the tree for a file system with blocks of a size in bytes. Directories come before what
// is in them.
func Files(block int64) []File {
	files := []File{
		{Name: "boot", Mode: fs.ModeDir},
		{Name: "boot/grub", Mode: fs.ModeDir},
		whole("boot/grub/default", 11),
		whole("boot/grub/menu.lst", 1999),
		whole("boot/grub/stage2", 100_001),
		whole("empty", 0),
		whole("large", 3<<20+123),
		whole("direct", 12*block),
		whole("direct+1", 12*block+1),
		whole(strings.Repeat("n", 255), 1),
		whole("na\xc3\xafve \xf0\x9f\x90\xa7", 2),
		{Name: "hole", Size: 5*block + 1},
		{Name: "end-hole", Pieces: []Piece{{Write, 0, block + 1}}, Size: 9 * block},
		{Name: "begin-hole", Pieces: []Piece{{Write, 3 * block, block}}},
		{Name: "reserved", Pieces: []Piece{{Reserve, 0, 50 * block}}},
		{Name: "reserved-part", Pieces: []Piece{{Reserve, 0, 50 * block}, {Write, 7*block + 3, 2 * block}}},
		{Name: "reserved-over", Pieces: []Piece{{Write, 0, 5000}, {ReserveOver, 0, 50 * block}}},
		// On both sides of where each level of indirect blocks begins, for 1, 2 and 4 KiB blocks.
		{Name: "sparse", Pieces: []Piece{
			{Write, 0, 10}, {Write, 300_000, 5000}, {Write, 1100_000, 1000}, {Write, 4_300_000, 10_000},
			{Write, 67_383_296 - 2048, 4096}, {Write, 70_000_000, 3000}, {Write, 600_000_000, 3000}, {Write, 4_400_000_000, 9000},
		}},
		{Name: "old", Time: time.Unix(-100_000_000, 0), Pieces: []Piece{{Write, 0, 1}}},
		{Name: "new", Time: time.Unix(6_000_000_000, 123_456_789), Pieces: []Piece{{Write, 0, 1}}},
		{Name: "another-name", Target: "boot/grub/default"},
		{Name: "fifo", Mode: fs.ModeNamedPipe},
		{Name: "char", Mode: fs.ModeDevice | fs.ModeCharDevice},
		{Name: "block", Mode: fs.ModeDevice},
		{Name: "links", Mode: fs.ModeDir},
		link("links/relative", "../boot/grub/default"),
		link("links/absolute", "/boot/grub/default"),
		link("links/up", "../../../../boot/./grub//default"),
		link("links/dir", "/boot/grub"),
		link("links/through", "dir/../grub/default"),
		link("links/nowhere", "gone"),
		link("links/loop", "loop2"),
		link("links/loop2", "loop"),
		link("links/slow", strings.Repeat("../links/", 20)+"../boot/grub/default"),
		link("links/slow-absolute", "/"+strings.Repeat("links/../", 50)+"boot/grub/default"),
	}
	for _, n := range []int64{59, 60, 61, 100, 150, 155, 156, 157, 160, 200} { // around what fits into an inode
		files = append(files, whole(fmt.Sprintf("small%d", n), n))
		files = append(files, link(fmt.Sprintf("links/to%d", n), strings.Repeat("x", int(n))))
	}
	for n := range 10 {
		files = append(files, File{Name: fmt.Sprintf("few%d", n), Mode: fs.ModeDir})
		for i := range n {
			files = append(files, whole(fmt.Sprintf("few%d/name%d", n, i), int64(i)))
		}
	}
	files = append(files, fragmented(block)...)
	deep := "deep"
	for range 12 {
		files = append(files, File{Name: deep, Mode: fs.ModeDir}, whole(deep+"/file", 77))
		deep += "/deep"
	}
	files = append(files, File{Name: "many", Mode: fs.ModeDir})
	for i := range 1500 {
		f := File{Name: fmt.Sprintf("many/a name of some length %04d", i)}
		if i%50 == 0 {
			f = whole(f.Name, int64(i))
		}
		files = append(files, f)
	}
	return append(files, doomed("many/a name that goes away", 100)...)
}

func whole(name string, size int64) File {
	return File{Name: name, Pieces: []Piece{{Write, 0, size}}}
}

func link(name, target string) File { return File{Name: name, Mode: fs.ModeSymlink, Target: target} }

func doomed(name string, count int) []File {
	files := make([]File, count)
	for i := range files {
		files[i] = File{Name: fmt.Sprintf("%s %d", name, i), Gone: true}
	}
	return files
}

// fragmented is files that lie in many places: those written in turn, one with holes in between, and
// ones that are written into what is free then.
func fragmented(block int64) []File {
	files := []File{{Name: "turn", Mode: fs.ModeDir}}
	for _, name := range []string{"turn/a", "turn/b", "turn/c"} {
		f := File{Name: name, Group: "turn", Gone: name == "turn/b"}
		for i := range int64(12) {
			f.Pieces = append(f.Pieces, Piece{Write, i * (2*block + 100), 2*block + 100})
		}
		files = append(files, f)
	}
	// Every second block: more extents than fit into one level below the inode, with blocks of 1 KiB.
	sieve := File{Name: "sieve", Size: 1000 * block}
	for i := range int64(440) {
		sieve.Pieces = append(sieve.Pieces, Piece{Write, 2 * i * block, block})
	}
	for i := range int64(30) {
		sieve.Pieces = append(sieve.Pieces, Piece{Punch, 24 * i * block, block}, Piece{Write, (26*i + 1) * block, block})
	}
	return append(files, sieve, whole("filler", 400*block))
}

// Length is the size that the file has in the end.
func (f File) Length() int64 {
	size := f.Size
	for _, p := range f.Pieces {
		if p.Action == Write || p.Action == Reserve {
			size = max(size, p.Offset+p.Length)
		}
	}
	return size
}

// Fill puts the bytes that the file has from off on into b. Of a name of another file, it is to be
// asked of that one.
func (f File) Fill(b []byte, off int64) {
	clear(b)
	for _, p := range f.Pieces {
		start, end := max(p.Offset, off)-off, min(p.Offset+p.Length, off+int64(len(b)))-off
		switch {
		case start >= end:
		case p.Action == Write:
			fill(f.Name, b[start:end], off+start)
		case p.Action == Punch:
			clear(b[start:end])
		}
	}
}

// fill makes bytes of a name and their place alone, none of them zero.
func fill(name string, b []byte, off int64) {
	h := fnv.New64a()
	h.Write([]byte(name))
	seed := h.Sum64()
	for i := range b {
		x := (seed ^ uint64(off+int64(i))) * 0x9e3779b97f4a7c15
		b[i] = byte(x>>56) | 1
	}
}
