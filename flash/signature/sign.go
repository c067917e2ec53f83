package signature

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"aead.dev/minisign"
)

// Secret is a secret key.
type Secret struct{ private minisign.PrivateKey }

// ErrPassword says that a secret key is encrypted, and that the password does not open it.
var ErrPassword = errors.New("the password does not open this key")

// IsEncrypted reports whether the text of a secret key wants a password.
func IsEncrypted(text []byte) bool { return minisign.IsEncrypted(text) }

// ParseSecret reads a secret key as `minisign -G` writes it, or with -W, which leaves the password out.
// To open an encrypted one takes about a second and 1 GiB of memory.
func ParseSecret(text []byte, password string) (Secret, error) {
	if IsEncrypted(text) {
		private, err := minisign.DecryptKey(password, text)
		if err != nil {
			return Secret{}, ErrPassword
		}
		return Secret{private}, nil
	}
	var s Secret
	if err := s.private.UnmarshalText(text); err != nil {
		return Secret{}, fmt.Errorf("not a minisign secret key: %s", strings.TrimPrefix(err.Error(), "minisign: "))
	}
	return s, nil
}

// Key is the public key that belongs to it.
func (s Secret) Key(name string) Key {
	public, _ := s.private.Public().(minisign.PublicKey)
	return Key{Name: name, public: public}
}

// Sign signs message, prehashed as minisign does it today. Model may be ""; each is one word of the
// trusted comment.
func (s Secret) Sign(message []byte, model, version string) ([]byte, error) {
	if !IsWord(version) {
		return nil, fmt.Errorf("version %q: want one printable word", version)
	}
	comment := "version=" + version
	if model != "" {
		if !IsWord(model) {
			return nil, fmt.Errorf("model %q: want one printable word", model)
		}
		comment = "model=" + model + " " + comment
	}
	reader := minisign.NewReader(bytes.NewReader(message))
	if _, err := io.Copy(io.Discard, reader); err != nil {
		return nil, err
	}
	sig := reader.SignWithComments(s.private, comment, "signature from minisign secret key")
	// A file of a secret key without a password has no checksum.
	if _, err := (Trust{Keys: []Key{s.Key("own")}}).Verify(message, sig); err != nil {
		return nil, fmt.Errorf("the secret key is damaged: %w", err)
	}
	return sig, nil
}
