// Package signature says whom a machine believes: the keys it knows, the model it is, and the oldest
// version it takes. Signatures are those of minisign (https://jedisct1.github.io/minisign/), prehashed
// and legacy.
package signature

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"aead.dev/minisign"
)

// MaxSize bounds a signature, in bytes. The minisign program takes comments of 1024 and 8192 bytes.
const MaxSize = 10 << 10

// Signature is what a valid signature says. Model and Version are those of the trusted comment
// `model=M version=V`, which is signed too; each "" when it does not say.
type Signature struct {
	Signer  string // name of the key: its file without .pub
	KeyID   string // 16 hexadecimal digits, as minisign prints it
	Comment string // the trusted comment
	Model   string
	Version string
}

// Trust is whom a machine believes. The zero value knows nobody and requires nothing.
type Trust struct {
	Keys    []Key
	Model   string // of this machine; "" takes any
	Floor   string // the lowest version that may be installed; "" for none
	Require bool   // nothing but a verified image is installed or booted
	Problem string // why not all of it could be read, naming the file: then nothing is installed
}

var (
	// ErrUnknownKey says that the signature is by none of the keys known here.
	ErrUnknownKey = errors.New("signed by a key that is not known here")
	// ErrInvalid says that the signature is by a known key and does not belong to these bytes.
	ErrInvalid = errors.New("the signature does not belong to it")
)

// Verify checks a minisign signature of message. The error wraps ErrUnknownKey or ErrInvalid, or says
// why sig is no signature.
func (t Trust) Verify(message, sig []byte) (Signature, error) {
	s, err := decode(sig)
	if err != nil {
		return Signature{}, err
	}
	known := false
	for _, k := range t.Keys {
		if k.public.ID() != s.KeyID {
			continue
		}
		if minisign.Verify(k.public, message, sig) {
			return said(k, s.TrustedComment)
		}
		known = true // an ID is but a number that anybody may choose: another key may have it too
	}
	if known {
		return Signature{}, ErrInvalid
	}
	return Signature{}, fmt.Errorf("%w: %X", ErrUnknownKey, s.KeyID)
}

// decode reads a signature more strictly than the library, which takes carriage returns, blank lines
// and base64 with stray bits: only what is written again as the same bytes is one.
func decode(sig []byte) (minisign.Signature, error) {
	var s minisign.Signature
	if len(sig) > MaxSize {
		return s, fmt.Errorf("longer than %d bytes", MaxSize)
	}
	if err := s.UnmarshalText(sig); err != nil {
		return s, fmt.Errorf("not a minisign signature: %s", strings.TrimPrefix(err.Error(), "minisign: "))
	}
	again, err := s.MarshalText()
	if err != nil || !bytes.Equal(bytes.TrimSuffix(again, []byte("\n")), bytes.TrimSuffix(sig, []byte("\n"))) {
		return s, errors.New("not a minisign signature: not the four lines that minisign writes")
	}
	return s, nil
}

// said reads the trusted comment, of which the first model and the first version may be the only ones:
// who says two things at once is not believed.
func said(k Key, comment string) (Signature, error) {
	s := Signature{Signer: k.Name, KeyID: k.ID()}
	if !isText(comment) {
		return Signature{}, errors.New("its trusted comment holds characters that no screen should show")
	}
	s.Comment = strings.ReplaceAll(comment, "\t", " ")
	for _, word := range strings.Fields(comment) {
		name, value, _ := strings.Cut(word, "=")
		at := map[string]*string{"model": &s.Model, "version": &s.Version}[name]
		if at == nil || value == "" {
			continue
		}
		if *at != "" && *at != value {
			return Signature{}, fmt.Errorf("its trusted comment gives two values for %s", name)
		}
		*at = value
	}
	return s, nil
}

// isText tells whether a comment can be shown: tabs are what minisign itself puts between its words.
func isText(comment string) bool {
	return !strings.ContainsFunc(comment, func(r rune) bool {
		return r != '\t' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar)
	})
}
