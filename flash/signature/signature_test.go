package signature

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
)

// program runs a program of another hand, the judge of ours.
func program(t testing.TB, pkg, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// bench is a directory with two pairs of keys of minisign, a.pub and b.pub, and what was signed.
type bench struct {
	t   testing.TB
	dir string
}

const message = "0000000000000000000000000000000000000000000000000000000000000000  kernel.img\n"

func newBench(t testing.TB) bench {
	b := bench{t, t.TempDir()}
	for _, name := range []string{"a", "b"} {
		program(t, "minisign", b.dir, "minisign", "-G", "-W", "-p", name+".pub", "-s", name+".key")
	}
	b.write("SHA256SUMS", message)
	return b
}

func (b bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b bench) read(name string) []byte {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// sign has minisign sign the message.
func (b bench) sign(key string, args ...string) []byte {
	b.t.Helper()
	program(b.t, "minisign", b.dir, "minisign", append([]string{"-S", "-s", key + ".key", "-m", "SHA256SUMS"}, args...)...)
	return b.read("SHA256SUMS.minisig")
}

func (b bench) key(name string) Key {
	b.t.Helper()
	k, err := ReadKey(filepath.Join(b.dir, name+".pub"), name)
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

func TestVerifyMinisign(t *testing.T) {
	b := newBench(t)
	trust := Trust{Keys: []Key{b.key("b"), b.key("a")}}
	tests := []struct {
		name           string
		args           []string
		model, version string
		comment        string // "" for minisign's own
	}{
		{"prehashed", []string{"-t", "model=FW-2 version=1.3.125"}, "FW-2", "1.3.125", "model=FW-2 version=1.3.125"},
		{"legacy", []string{"-l", "-t", "version=1.3.125 model=FW-2"}, "FW-2", "1.3.125", "version=1.3.125 model=FW-2"},
		{"other words", []string{"-t", "by=me version=1 modell=2 model"}, "", "1", "by=me version=1 modell=2 model"},
		{"twice the same", []string{"-t", "model=a model=a"}, "a", "", "model=a model=a"},
		{"empty", []string{"-t", " "}, "", "", " "},
		{"minisign's own", nil, "", "", ""},
		{"not ASCII", []string{"-t", "model=é"}, "é", "", "model=é"},
	}
	for _, tt := range tests {
		sig := b.sign("a", tt.args...)
		got, err := trust.Verify([]byte(message), sig)
		if err != nil {
			t.Errorf("%s: Verify = %v\n%s", tt.name, err, sig)
			continue
		}
		if tt.comment == "" {
			tt.comment = got.Comment
			if !strings.HasPrefix(got.Comment, "timestamp:") {
				t.Errorf("%s: comment %q", tt.name, got.Comment)
			}
		}
		want := Signature{"a", b.key("a").ID(), tt.comment, tt.model, tt.version}
		if got != want {
			t.Errorf("%s: Verify = %+v, want %+v", tt.name, got, want)
		}
		if !strings.Contains(string(b.read("a.pub")), got.KeyID) {
			t.Errorf("%s: key %s is not as minisign prints it:\n%s", tt.name, got.KeyID, b.read("a.pub"))
		}
	}
}

// sameID is another key that claims the ID of k.
func sameID(t *testing.T, k Key) Key {
	t.Helper()
	other, _, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := k.public.ID()
	raw, _ := other.MarshalText()
	c, err := ParseKey("claims", withID(t, raw, id))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVerifyRefuses(t *testing.T) {
	b := newBench(t)
	good := string(b.sign("a", "-t", "model=M version=1"))
	other := string(b.sign("b", "-t", "model=M version=1"))
	twice := string(b.sign("a", "-t", "model=M model=N"))
	terminal := string(b.sign("a", "-t", "model=M\x1b[2J"))
	b.write("SHA256SUMS", message+message)
	newer := string(b.sign("a", "-t", "model=M version=2"))
	lines := strings.SplitAfter(good, "\n")
	newLines := strings.SplitAfter(newer, "\n")
	trust := Trust{Keys: []Key{b.key("a")}}
	tests := []struct {
		name, message, sig string
		want               string
		is                 error
	}{
		{"unknown key", message, other, "signed by a key that is not known here: " + b.key("b").ID(), ErrUnknownKey},
		{"of another file", message + "\n", good, "the signature does not belong to it", ErrInvalid},
		{"changed comment", message, strings.Replace(good, "version=1", "version=2", 1), "the signature does not belong to it", ErrInvalid},
		{"another's comment", message, lines[0] + lines[1] + newLines[2] + newLines[3], "the signature does not belong to it", ErrInvalid},
		{"legacy instead of prehashed", message, lines[0] + "RW" + lines[1][2:] + lines[2] + lines[3], "the signature does not belong to it", ErrInvalid},
		{"nothing", message, "", "not a minisign signature: invalid signature", nil},
		{"one line less", message, lines[0] + lines[1] + lines[2], "not a minisign signature: ", nil},
		{"carriage returns", message, strings.ReplaceAll(good, "\n", "\r\n"), "not a minisign signature: not the four lines that minisign writes", nil},
		{"a fifth line", message, good + "\n", "not a minisign signature: not the four lines that minisign writes", nil},
		{"a longer fifth line", message, good + "AAAA\n", "not a minisign signature: ", nil},
		{"stray bits", message, strings.Replace(good, "==\n", "", 1), "not a minisign signature: ", nil},
		{"endless", message, good + strings.Repeat("\n", MaxSize), "longer than 10240 bytes", nil},
		{"two models", message, twice, "its trusted comment gives two values for model", nil},
		{"drives a terminal", message, terminal, "its trusted comment holds characters that no screen should show", nil},
	}
	for _, tt := range tests {
		got, err := trust.Verify([]byte(tt.message), []byte(tt.sig))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || got != (Signature{}) {
			t.Errorf("%s: Verify = %+v, %v; want %q", tt.name, got, err, tt.want)
		}
		for _, is := range []error{ErrUnknownKey, ErrInvalid} {
			if errors.Is(err, is) != (is == tt.is) {
				t.Errorf("%s: errors.Is(%v, %v) = %v", tt.name, err, is, errors.Is(err, is))
			}
		}
	}
	for n := range len(good) - 1 {
		if got, err := trust.Verify([]byte(message), []byte(good[:n])); err == nil {
			t.Errorf("cut after %d bytes: %+v", n, got)
		}
	}
	if _, err := (Trust{}).Verify([]byte(message), []byte(good)); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("nobody is known: Verify = %v", err)
	}
	claims := Trust{Keys: []Key{sameID(t, b.key("a")), b.key("a")}}
	if got, err := claims.Verify([]byte(message), []byte(good)); err != nil || got.Signer != "a" {
		t.Errorf("two keys of one ID: Verify = %+v, %v", got, err)
	}
}

// withID puts another ID into the text of a public key.
func withID(t *testing.T, text []byte, id uint64) []byte {
	t.Helper()
	_, line, _ := strings.Cut(string(text), "\n")
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(raw[2:], id)
	return []byte(base64.StdEncoding.EncodeToString(raw))
}
