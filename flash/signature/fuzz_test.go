package signature

import (
	"bytes"
	"strconv"
	"testing"
	"unicode"
)

// FuzzVerify: what is no signature of the message never passes, and what is told can be shown.
func FuzzVerify(f *testing.F) {
	b := newBench(f)
	good := b.sign("a", "-t", "model=M version=1")
	f.Add(good)
	f.Add(b.sign("a", "-l"))
	f.Add(b.sign("b"))
	f.Add(bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")))
	f.Add(good[:100])
	trust := Trust{Keys: []Key{b.key("a")}}
	f.Fuzz(func(t *testing.T, sig []byte) {
		got, err := trust.Verify([]byte(message), sig)
		if err != nil {
			if got != (Signature{}) {
				t.Errorf("Verify = %+v, %v", got, err)
			}
			return
		}
		for _, r := range got.Comment + got.Model + got.Version {
			if !unicode.IsPrint(r) {
				t.Errorf("%+q cannot be shown", got)
			}
		}
	})
}

// FuzzComment: a trusted comment is signed, and yet what it says is bounded to words.
func FuzzComment(f *testing.F) {
	f.Add("model=M version=1")
	f.Add("timestamp:1 \tfile:SHA256SUMS\thashed")
	f.Add("model=\u202e version=\xff")
	f.Fuzz(func(t *testing.T, comment string) {
		s, err := said(Key{Name: "k"}, comment)
		if err != nil {
			return
		}
		for _, word := range []string{s.Model, s.Version} {
			for _, r := range word {
				if unicode.IsSpace(r) || !unicode.IsPrint(r) {
					t.Errorf("%+q of %+q", word, comment)
				}
			}
		}
	})
}

// FuzzParseKey: a key that is taken has an ID and is itself again.
func FuzzParseKey(f *testing.F) {
	b := newBench(f)
	f.Add(b.read("a.pub"))
	f.Add(b.read("a.key"))
	f.Add(b.read("a.pub")[:50])
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParseKey("k", text)
		if err != nil {
			return
		}
		again, err := ParseKey("k", []byte(k.public.String()))
		id, _ := strconv.ParseUint(k.ID(), 16, 64)
		if err != nil || !again.public.Equal(k.public) || id != k.public.ID() {
			t.Errorf("%q: %v, %v", text, k.ID(), err)
		}
	})
}
