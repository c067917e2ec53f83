package ext

import (
	"errors"
	"fmt"
)

// Extended attributes within an inode (fs/ext4/xattr.h). Inline data that does not fit where the block
// pointers are goes on in the attribute system.data.
const (
	attributeMagic = 0xea020000
	attributeHead  = 16
	attributeIndex = 7 // of names that begin with "system."
	attributeName  = "data"
)

// isInline says whether a file's bytes are in its inode: inline data, or a short link's target.
func (f *FS) isInline(in *inode) bool {
	return in.flags&flagInline != 0 || in.kind() == typeLink && in.size < int64(len(in.pointers))
}

// inline is the bytes of a file that are in its inode. There may be more than the file has.
func (f *FS) inline(in *inode) ([]byte, error) {
	data := in.pointers[:]
	if in.flags&flagInline != 0 {
		more, err := inlineRest(in.body)
		if err != nil {
			return nil, fmt.Errorf("inode %d: inline data: %w", in.number, err)
		}
		data = append(data[:len(data):len(data)], more...)
	}
	if in.size > int64(len(data)) {
		return nil, fmt.Errorf("inode %d: %d bytes of inline data for a size of %d", in.number, len(data), in.size)
	}
	return data, nil
}

// inlineRest is the value of system.data. Places of values count from the first entry.
func inlineRest(body []byte) ([]byte, error) {
	if len(body) < 4 || le.Uint32(body) != attributeMagic {
		return nil, nil
	}
	values := body[4:]
	for b := values; len(b) >= 4 && le.Uint32(b) != 0; {
		if len(b) < attributeHead || len(b) < attributeHead+int(b[0]) {
			return nil, errors.New("an attribute reaches over the inode's end")
		}
		name := string(b[attributeHead : attributeHead+int(b[0])])
		if b[1] == attributeIndex && name == attributeName {
			start, size := int64(le.Uint16(b[2:])), int64(le.Uint32(b[8:]))
			if le.Uint32(b[4:]) != 0 || start+size > int64(len(values)) {
				return nil, errors.New("it reaches over the inode's end")
			}
			return values[start : start+size], nil
		}
		b = b[min(len(b), (attributeHead+int(b[0])+3)&^3):]
	}
	return nil, nil
}
