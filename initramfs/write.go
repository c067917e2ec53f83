package initramfs

import (
	"fmt"
	"io"

	"holdfast/initramfs/compress"
	"holdfast/initramfs/newc"
)

// Write streams the archive to w. The bytes depend only on the contents and permissions of what went
// in: times are 0, owners root, inode numbers count from 1. Another archive, compressed in any way, may
// follow the last byte.
func (p *Plan) Write(w io.Writer) error {
	z, err := compress.NewWriter(w, p.Compress)
	if err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	archive := newc.NewWriter(z)
	links := countLinks(p.Entries)
	var inodes uint32
	for _, e := range p.Entries {
		if err := writeEntry(archive, e, links, &inodes); err != nil {
			return fmt.Errorf("write initramfs: /%s: %w", e.Path, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	return nil
}

// linked is a file with several names in the archive.
type linked struct {
	names, written uint32
	inode          uint32
}

func countLinks(entries []Entry) map[fileID]*linked {
	links := map[fileID]*linked{}
	for _, e := range entries {
		if e.file == (fileID{}) {
			continue
		}
		if links[e.file] == nil {
			links[e.file] = &linked{}
		}
		links[e.file].names++
	}
	return links
}

// writeEntry writes one entry; of a file with several names the last one has the content, as GNU cpio
// does it.
func writeEntry(archive *newc.Writer, e Entry, links map[fileID]*linked, inodes *uint32) error {
	h, content := e.header(), e.open
	l := links[e.file]
	if l == nil || l.inode == 0 {
		*inodes++
		h.Ino = *inodes
	}
	if l != nil && l.names > 1 {
		if l.inode == 0 {
			l.inode = h.Ino
		}
		l.written++
		h.Ino, h.NLink = l.inode, l.names
		if l.written < l.names {
			h.Size, content = 0, nil
		}
	}
	if err := archive.WriteHeader(h); err != nil {
		return err
	}
	if content == nil {
		return nil
	}
	r, err := content()
	if err != nil {
		return err
	}
	defer r.Close()
	// A file that has grown or shrunk since the plan is an error here or at the next header.
	_, err = io.Copy(archive, r)
	return err
}
