package ext

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// cacheBlocks is how many blocks are remembered: the way down a tree of extents, the inode table and
// a directory next to it.
const cacheBlocks = 16

// cacheKey says for which inode a block was read: it was checked as a part of that one.
type cacheKey struct {
	number uint64
	inode  uint32
}

// cache remembers the blocks of metadata that were read last.
type cache struct {
	sync.Mutex
	blocks map[cacheKey][]byte
	order  []cacheKey // the oldest first
}

func (c *cache) get(key cacheKey) []byte {
	c.Lock()
	defer c.Unlock()
	return c.blocks[key]
}

func (c *cache) put(key cacheKey, block []byte) {
	c.Lock()
	defer c.Unlock()
	if c.blocks == nil {
		c.blocks = make(map[cacheKey][]byte)
	}
	if _, there := c.blocks[key]; there {
		return
	}
	if len(c.order) == cacheBlocks {
		delete(c.blocks, c.order[0])
		c.order = c.order[1:]
	}
	c.blocks[key] = block
	c.order = append(c.order, key)
}

// Forget forgets what was read: who looks again sees what has been written to the device since.
func (f *FS) Forget() {
	f.cache.Lock()
	defer f.cache.Unlock()
	f.cache.blocks, f.cache.order = nil, nil
}

// block reads a block of metadata, which nobody may change. It is checked, where check is not nil,
// when it comes from the device.
func (f *FS) block(number uint64, inode uint32, check func([]byte) error) ([]byte, error) {
	key := cacheKey{number, inode}
	if b := f.cache.get(key); b != nil {
		return b, nil
	}
	if number >= f.super.blocks {
		return nil, fmt.Errorf("block %d is outside of the file system", number)
	}
	b := make([]byte, f.super.blockSize())
	if err := f.readAt(b, int64(number)*f.super.blockSize()); err != nil {
		return nil, err
	}
	if check != nil {
		if err := check(b); err != nil {
			return nil, err
		}
	}
	f.cache.put(key, b)
	return b, nil
}

// readAt fills b from the device.
func (f *FS) readAt(b []byte, off int64) error {
	if off < 0 || off > f.size || int64(len(b)) > f.size-off {
		return fmt.Errorf("read %d bytes from %d on: outside of the file system", len(b), off)
	}
	n, err := f.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes from %d on: %w", len(b), off, err)
}
