package signature

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"aead.dev/minisign"
)

// Key is a public key.
type Key struct {
	Name   string // what a screen calls it
	public minisign.PublicKey
}

// ID is in hexadecimal, up to 16 digits without zeros before them, as minisign prints it.
func (k Key) ID() string { return fmt.Sprintf("%X", k.public.ID()) }

// String is the key as minisign's -P takes it, and as a file of its own.
func (k Key) String() string { return k.public.String() }

// The files of a directory such as /etc/holdfast.
const (
	KeysDir     = "keys" // keys/*.pub
	ModelFile   = "model"
	FloorFile   = "min-version"
	RequireFile = "require-signature" // its content says nothing

	keySuffix = ".pub"
	maxFile   = 1 << 10
)

// ParseKey reads a public key as minisign writes it: a comment line and the key, or the key alone.
func ParseKey(name string, text []byte) (Key, error) {
	k := Key{Name: name}
	if !IsWord(name) {
		return Key{}, errors.New("not a name for a key: it must be one printable word")
	}
	if err := k.public.UnmarshalText(text); err != nil {
		return Key{}, fmt.Errorf("not a minisign public key: %s", strings.TrimPrefix(err.Error(), "minisign: "))
	}
	return k, nil
}

// ReadTrust reads keys/*.pub, model, min-version and require-signature of a directory such as
// /etc/holdfast. What is not there is the zero value; what cannot be read is an error that names the
// file. With an error comes, its Problem set, what could be read, and Require unless that is known not
// to be wanted: by a bad file a machine must not come to require nothing.
func ReadTrust(dir string) (Trust, error) {
	var t Trust
	there, err := exists(dir)
	if there {
		_, err = os.Stat(dir + "/.") // a file, or a link that leads nowhere, has no "."
	}
	if err != nil {
		return Trust{Require: true, Problem: err.Error()}, err
	}
	if !there {
		return Trust{}, nil
	}
	var errs [4]error
	t.Keys, errs[0] = readKeys(filepath.Join(dir, KeysDir))
	t.Model, errs[1] = readWord(filepath.Join(dir, ModelFile))
	t.Floor, errs[2] = readWord(filepath.Join(dir, FloorFile))
	t.Require, errs[3] = exists(filepath.Join(dir, RequireFile))
	t.Require = t.Require || errs[3] != nil
	if err := cmp.Or(errs[:]...); err != nil {
		t.Problem = err.Error()
		return t, err
	}
	return t, nil
}

// readKeys reads the keys of a directory. One that is broken leaves the others.
func readKeys(dir string) ([]Key, error) {
	there, err := exists(dir)
	if err != nil || !there {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var keys []Key
	var broken error
	for _, e := range entries {
		name, isKey := strings.CutSuffix(e.Name(), keySuffix)
		if !isKey {
			continue
		}
		k, err := ReadKey(filepath.Join(dir, e.Name()), name)
		if err != nil {
			broken = cmp.Or(broken, err)
			continue
		}
		keys = append(keys, k)
	}
	return keys, broken
}

// ReadKey reads the public key of a file. The error names the file.
func ReadKey(path, name string) (Key, error) {
	text, err := readSmall(path)
	if err != nil {
		return Key{}, err
	}
	k, err := ParseKey(name, text)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// readWord reads a file of one line that holds one word; "" when there is no such file.
func readWord(path string) (string, error) {
	there, err := exists(path)
	if err != nil || !there {
		return "", err
	}
	text, err := readSmall(path)
	if err != nil {
		return "", err
	}
	word := strings.TrimSpace(string(text))
	if !IsWord(word) {
		return "", fmt.Errorf("%s: not one printable word", path)
	}
	return word, nil
}

// exists looks at the name itself: a link that leads nowhere is there, and cannot be read.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// readSmall reads a small regular file, and waits for no FIFO's writer.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: longer than %d bytes", path, maxFile)
	}
	return text, err
}

// IsWord reports whether s can be a word of a trusted comment and stand on any screen.
func IsWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
