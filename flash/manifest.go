package flash

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Algorithm is the hash a manifest is made of.
type Algorithm int

// The algorithms. MD5 is read for Formilux flashes only: it finds damage, it proves nothing.
const (
	SHA256 Algorithm = iota
	MD5
)

var algorithms = []struct {
	name, file string
	size       int
	new        func() hash.Hash
}{
	SHA256: {"sha256", "SHA256SUMS", sha256.Size, sha256.New},
	MD5:    {"md5", "system.sig", md5.Size, md5.New},
}

func (a Algorithm) String() string { return algorithms[a].name }

// Manifest is the list of an image's files with their hashes.
type Manifest struct {
	Algorithm Algorithm
	Sums      []Sum // in the order of the file; empty when there is no manifest
}

// Sum is one line of a manifest.
type Sum struct {
	Name string // from the image's directory
	Hash []byte
}

const (
	maxManifest = 64 << 10 // bytes; an image has half a dozen files
	maxSums     = 64
)

// ParseManifest reads the format of `sha256sum` and `md5sum` (GNU coreutils): the hash in
// hexadecimal, a space, a space or an asterisk, the name. Empty lines are passed over; a name that
// is not a plain path below the image, or that comes twice, is an error.
func ParseManifest(r io.Reader, a Algorithm) (Manifest, error) {
	m := Manifest{Algorithm: a}
	seen := map[string]bool{}
	lines := bufio.NewScanner(io.LimitReader(r, maxManifest))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), "\r")
		if line == "" {
			continue
		}
		sum, err := parseSum(line, algorithms[a].size)
		if err != nil {
			return Manifest{}, fmt.Errorf("line %d: %w", n, err)
		}
		if seen[sum.Name] || len(m.Sums) == maxSums {
			return Manifest{}, fmt.Errorf("line %d: %q is one file too many", n, sum.Name)
		}
		seen[sum.Name] = true
		m.Sums = append(m.Sums, sum)
	}
	if err := lines.Err(); err != nil {
		return Manifest{}, err
	}
	if len(m.Sums) == 0 {
		return Manifest{}, errors.New("holds no hashes")
	}
	return m, nil
}

func parseSum(line string, size int) (Sum, error) {
	digits, rest, _ := strings.Cut(line, " ")
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != size {
		return Sum{}, errors.New("does not start with a hash")
	}
	if rest == "" || rest[0] != ' ' && rest[0] != '*' {
		return Sum{}, errors.New("no file name after the hash")
	}
	name := strings.TrimPrefix(rest[1:], "./")
	if !fs.ValidPath(name) || name == "." || name != printable(name) {
		return Sum{}, fmt.Errorf("%q is no file of an image", name)
	}
	return Sum{Name: name, Hash: sum}, nil
}

// readManifest finds the image's manifest, which gives the image its ID. One that cannot be read is a
// problem and leaves the image without; what it is then worth is for Verify to say.
func (i *Image) readManifest(fsys fs.FS) {
	for a := range algorithms {
		member := algorithms[a].file
		text, err := readHead(fsys, path.Join(i.Dir, member), maxManifest)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			i.Manifest, err = ParseManifest(bytes.NewReader(text), Algorithm(a))
		}
		if err == nil {
			i.ID = sha256.Sum256(text)
		} else {
			i.problem("%s: %v", member, cause(err))
			i.brokenManifest = true
		}
		return
	}
}

// readHead reads at most limit bytes of a file.
func readHead(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := OpenRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
