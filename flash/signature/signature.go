// Package signature says whom a machine believes: the keys it knows, the model it is, and the oldest
// version it takes. Signatures are those of minisign (https://jedisct1.github.io/minisign/), prehashed
// and legacy.
package signature

import "errors"

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
}

// Key is a public key.
type Key struct {
	Name string
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
	return Signature{}, errors.ErrUnsupported
}

// ReadTrust reads keys/*.pub, model, min-version and require-signature of a directory such as
// /etc/holdfast. What is not there is the zero value; what cannot be read is an error.
func ReadTrust(dir string) (Trust, error) { return Trust{}, errors.ErrUnsupported }

// Compare orders versions as people do: by their numbers and words (1.3.9 < 1.3.10, 1.3~rc1 < 1.3).
func Compare(a, b string) int { return 0 }
