package vfatlab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"holdfast/ops/bench/crashlab"
)

// The format of the kernel's dm-log-writes (drivers/md/dm-log-writes.c), which QEMU's driver
// blklogwrites writes: a superblock, then for each request an entry of one sector and its data.
const (
	logMagic = 0x6a736677736872
	sector   = 512

	logFlush   = 1 << 0 // the disk's cache was flushed before the write; without data it is only that
	logFUA     = 1 << 1 // the write itself was durable when it was acknowledged
	logDiscard = 1 << 2
)

type logSuper struct {
	Magic, Version, Entries uint64
	SectorSize              uint32
}

type logEntry struct{ Sector, Sectors, Flags, Length uint64 }

// readLog reads a recording of a disk whose file systems end at size: a write behind that is a mark.
func readLog(name string, size int64) (crashlab.Log, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var super logSuper
	if _, err := binary.Decode(data, binary.LittleEndian, &super); err != nil || super.Magic != logMagic || super.Version != 1 || super.SectorSize != sector {
		return nil, fmt.Errorf("%s: no log of this format: %+v", name, super)
	}
	var log crashlab.Log
	rest := data[sector:]
	for range super.Entries {
		var e logEntry
		if _, err := binary.Decode(rest, binary.LittleEndian, &e); err != nil || len(rest) < sector {
			return nil, fmt.Errorf("%s: entry %d: cut off", name, len(log))
		}
		rest = rest[sector:]
		n := int(e.Sectors * sector)
		switch {
		case e.Flags&(logDiscard|logFUA) != 0:
			return nil, errors.New("a discard or a write with FUA: a virtio disk has none, and the lab does not know them")
		case n > len(rest):
			return nil, fmt.Errorf("%s: %d bytes missing", name, n-len(rest))
		}
		log = append(log, events(e, rest[:n], size)...)
		rest = rest[n:]
	}
	return log, nil
}

// events are one entry as the lab has it.
func events(e logEntry, data []byte, size int64) (list crashlab.Log) {
	if e.Flags&logFlush != 0 {
		list = append(list, crashlab.Event{Kind: crashlab.Flush})
	}
	offset := int64(e.Sector * sector)
	switch {
	case len(data) == 0:
		return list
	case offset >= size:
		name, _, _ := bytes.Cut(data, []byte{0})
		return append(list, crashlab.Event{Kind: crashlab.Mark, Name: strings.TrimSpace(string(name))})
	}
	return append(list, crashlab.Event{Kind: crashlab.Write, Offset: offset, Data: data})
}
