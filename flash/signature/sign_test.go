package signature

import (
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func (b bench) secret(name, password string) Secret {
	b.t.Helper()
	s, err := ParseSecret(b.read(name+".key"), password)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func TestSignForMinisign(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct{ model, version, comment string }{
		{"FW-2", "1.3.125~rc1", "model=FW-2 version=1.3.125~rc1"},
		{"", "1", "version=1"},
	} {
		sig, err := b.secret("a", "").Sign([]byte(message), tt.model, tt.version)
		if err != nil {
			t.Fatal(err)
		}
		b.write("SHA256SUMS.minisig", string(sig))
		out := program(t, "minisign", b.dir, "minisign", "-V", "-H", "-p", "a.pub", "-m", "SHA256SUMS")
		if want := "Trusted comment: " + tt.comment + "\n"; !strings.Contains(out, want) {
			t.Errorf("minisign -V says\n%swant %q", out, want)
		}
		got, err := Trust{Keys: []Key{b.key("a")}}.Verify([]byte(message), sig)
		if err != nil || got.Model != tt.model || got.Version != tt.version {
			t.Errorf("Verify = %+v, %v", got, err)
		}
		if out, err := exec.Command("minisign", "-V", "-p", filepath.Join(b.dir, "b.pub"), "-m", filepath.Join(b.dir, "SHA256SUMS")).CombinedOutput(); err == nil {
			t.Errorf("minisign takes the signature for another's:\n%s", out)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	b := newBench(t)
	s := b.secret("a", "")
	for _, tt := range []struct{ model, version string }{
		{"", ""}, {"", "1 2"}, {"M\n", "1"}, {"M", "1\ttrusted"}, {"M N", "1"}, {"M", "\x1b[2J"},
	} {
		if sig, err := s.Sign([]byte(message), tt.model, tt.version); err == nil {
			t.Errorf("model %q, version %q:\n%s", tt.model, tt.version, sig)
		}
	}
}

// cheap is the key with the least cost of its password, which then is another one: the true cost takes
// seconds.
func cheap(t *testing.T, text []byte) []byte {
	t.Helper()
	_, line, _ := strings.Cut(string(text), "\n")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	clear(raw[38:54]) // scrypt's limits on operations and memory
	return []byte(base64.StdEncoding.EncodeToString(raw))
}

// TestEncryptedKey opens a key that `minisign -G` of version 0.11 encrypted with "correct horse". It is
// kept, for to make one takes seconds, too.
func TestEncryptedKey(t *testing.T) {
	b := newBench(t)
	for from, to := range map[string]string{"encrypted.pub": "e.pub", "encrypted.key": "e.key"} {
		text, err := os.ReadFile(filepath.Join("testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		b.write(to, string(text))
	}
	text := b.read("e.key")
	if !IsEncrypted(text) || IsEncrypted(b.read("a.key")) {
		t.Fatal("which key is encrypted is mixed up")
	}
	if _, err := ParseSecret(cheap(t, text), "wrong"); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	s := b.secret("e", "correct horse")
	if s.Key("e").ID() != b.key("e").ID() {
		t.Errorf("key %s, want %s", s.Key("e").ID(), b.key("e").ID())
	}
	sig, err := s.Sign([]byte(message), "", "1")
	if err != nil {
		t.Fatal(err)
	}
	b.write("SHA256SUMS.minisig", string(sig))
	program(t, "minisign", b.dir, "minisign", "-V", "-p", "e.pub", "-m", "SHA256SUMS")
}

func TestParseSecretRefuses(t *testing.T) {
	b := newBench(t)
	good := b.read("a.key")
	lines := strings.SplitAfter(string(good), "\n")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(lines[1]))
	if err != nil {
		t.Fatal(err)
	}
	raw[75] ^= 1 // within the seed
	damaged := []byte(lines[0] + base64.StdEncoding.EncodeToString(raw) + "\n")
	for name, text := range map[string]string{
		"nothing": "", "a public key": string(b.read("a.pub")), "cut off": string(good[:len(good)-10]), "text": "hello\n",
	} {
		if _, err := ParseSecret([]byte(text), ""); err == nil || !strings.HasPrefix(err.Error(), "not a minisign secret key: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := ParseSecret(damaged, "")
	if err == nil {
		_, err = s.Sign([]byte(message), "", "1")
	}
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged key: %v", err)
	}
}
