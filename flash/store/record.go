package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"holdfast/flash"
)

// Record is the newest state record of the flash; the zero Record when there is none.
func (t *Tree) Record() (flash.Record, error) {
	blocks, err := t.records()
	if err != nil {
		return flash.Record{}, err
	}
	r, _, err := flash.Newest(blocks[0], blocks[1])
	if errors.Is(err, flash.ErrNoRecord) {
		return flash.Record{}, nil
	}
	return r, err
}

// records reads the two files. What is not there, not RecordSize bytes or not readable is nil: the other one
// is as good, and the file is made again.
func (t *Tree) records() (blocks [2][]byte, err error) {
	for i, name := range flash.RecordFiles {
		info, err := t.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || info.Size() != flash.RecordSize) {
			continue
		}
		if err == nil {
			blocks[i], err = flash.ReadRecordFile(t.root.FS(), name)
		}
		if err != nil && !Damaged(err) {
			return blocks, fmt.Errorf("read %s: %w", name, cause(err))
		}
	}
	return blocks, nil
}

// Write makes change to the state record and writes it, over the older of the two: the newer one stays
// as it is, whatever happens.
func (t *Tree) Write(change func(*flash.Record)) error {
	blocks, err := t.records()
	if err != nil {
		return err
	}
	r, newest, err := flash.Newest(blocks[0], blocks[1])
	if err != nil && !errors.Is(err, flash.ErrNoRecord) {
		return err
	}
	change(&r)
	r.Seq++
	if err := t.trim(&r); err != nil {
		return err
	}
	b, err := r.Encode()
	if err != nil {
		return err
	}
	for i, name := range flash.RecordFiles {
		if blocks[i] != nil {
			continue
		}
		blocks[i] = make([]byte, flash.RecordSize)
		if err := t.makeRecord(name, blocks[i]); err != nil {
			return fmt.Errorf("make %s: %w", name, cause(err))
		}
	}
	older := 0
	if newest == 0 {
		older = 1
	}
	return t.overwrite(flash.RecordFiles[older], Change{Old: blocks[older], New: b})
}

// trim forgets what nobody needs to know: first of images without a state, then of images that are not
// on the flash any more, the oldest first, as far as there is no room.
func (t *Tree) trim(r *flash.Record) error {
	r.Entries = slices.DeleteFunc(slices.Clone(r.Entries), func(e flash.Entry) bool { return e.State == flash.Untold || e.ID.IsZero() })
	if len(r.Entries) <= flash.MaxEntries {
		return nil
	}
	f, err := t.read()
	if err != nil {
		return err
	}
	there := map[flash.ID]int{}
	for _, images := range [][]flash.Image{f.Left, f.Staged, f.Slots} {
		for _, img := range images {
			there[img.ID] = 1
		}
	}
	slices.SortStableFunc(r.Entries, func(a, b flash.Entry) int {
		return cmp.Or(there[b.ID]-there[a.ID], b.Since.Compare(a.Since))
	})
	r.Entries = r.Entries[:flash.MaxEntries]
	return nil
}

// makeRecord makes a file for records, in the place of whatever is there, which is no record. It gets its
// name when all of it is in its place. On vfat a name may reach the disk before the table knows of
// the cluster: the next file would get the same one, and later records would go into that file.
func (t *Tree) makeRecord(name string, blank []byte) error {
	if err := errors.Join(t.root.RemoveAll(name+flash.Unfinished), t.root.RemoveAll(name)); err != nil {
		return err
	}
	f, err := t.root.OpenFile(name+flash.Unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(blank)
	if err == nil {
		err = t.sync(RecordMade, f.Sync)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		_ = t.root.Remove(name + flash.Unfinished) // a full flash gets its room back; the next recovery deletes what stays
		return err
	}
	if err := t.barrier(RecordMade); err != nil {
		return err
	}
	return t.root.Rename(name+flash.Unfinished, name)
}

// dropNew deletes files that were not made to their end, and says so. What they led to is given to nobody before
// the names are gone for good. Of a rename that was cut there may be two names of one file, and who deletes one of
// them takes the file from the other: both go, and nothing is lost with what was just made.
func (t *Tree) dropNew() (lines []string, err error) {
	var open files
	defer func() { open.close() }()
	for _, made := range flash.Made {
		names := []string{made + flash.Unfinished}
		if _, err := t.root.Lstat(names[0]); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if t.alike(made, names[0]) {
			names = append(names, made)
		}
		line := unfinished(names[0])
		for _, name := range names {
			open.add(t, name)
			switch err := t.removeAll(name); {
			case Damaged(err) && !t.vfat(): // it keeps its inode, and nobody else gets that
				line = checkIt(err)
			case err != nil:
				return lines, err
			}
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, nil
	}
	return lines, t.barrier(Unlinked)
}

// alike reports that two files hold the same bytes, as two names of one do.
func (t *Tree) alike(a, b string) bool {
	read := func(name string) ([]byte, error) {
		f, err := openIn(t.root, name, os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, maxMade))
	}
	first, err := read(a)
	second, err2 := read(b)
	return err == nil && err2 == nil && bytes.Equal(first, second)
}

// maxMade is more than any of flash.Made has, in bytes.
const maxMade = 1 << 20

func unfinished(name string) string { return "deleted: " + name + ", which was not finished" }

func (t *Tree) overwrite(name string, c Change) error {
	f, err := openIn(t.root, name, os.O_RDWR)
	if err != nil {
		return err
	}
	err = overwriteFile(f, c, func() error { return t.sync(RecordWritten, f.Sync) })
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write to %s: %w", name, cause(err))
	}
	return nil
}
