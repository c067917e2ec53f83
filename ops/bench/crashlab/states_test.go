package crashlab

import (
	"bytes"
	"fmt"
	"testing"
)

func sectors(at int64, fill ...byte) Event {
	e := Event{Kind: Write, Offset: at * sector}
	for _, b := range fill {
		e.Data = append(e.Data, bytes.Repeat([]byte{b}, sector)...)
	}
	return e
}

// shown are the first bytes of the sectors of every state.
func shown(s *States, size int) map[string]bool {
	all := map[string]bool{}
	image := make([]byte, size)
	for _, st := range s.List {
		s.Disk(st, image)
		text := ""
		for i := 0; i < len(image); i += sector {
			text += string(image[i])
		}
		all[text] = true
	}
	return all
}

func TestEnumerate(t *testing.T) {
	flush, base := Event{Kind: Flush}, bytes.Repeat([]byte{'.'}, 3*sector)
	for _, test := range []struct {
		name string
		log  Log
		want []string
	}{
		{"nothing", Log{}, []string{"..."}},
		{"one write", Log{sectors(0, 'a')}, []string{"...", "a.."}},
		{"two in one epoch, any of them", Log{sectors(0, 'a'), sectors(1, 'b')}, []string{"...", "a..", ".b.", "ab."}},
		{"a flush keeps the order", Log{sectors(0, 'a'), flush, sectors(1, 'b')}, []string{"...", "a..", "ab."}},
		{"the later of two in one place", Log{sectors(0, 'a'), sectors(0, 'b')}, []string{"...", "a..", "b.."}},
		{"what was there is no other disk", Log{sectors(0, '.'), flush, sectors(1, 'b')}, []string{"...", ".b."}},
		{"torn", Log{sectors(0, 'a', 'b', 'c')}, []string{"...", "a..", "ab.", "..c", ".bc", "abc"}},
		{"torn, and the other one there", Log{sectors(0, 'a', 'b'), sectors(2, 'c')}, []string{"...", "a..", ".b.", "ab.", "..c", "a.c", ".bc", "abc"}},
	} {
		s := Enumerate(base, test.log, 1)
		got := shown(s, len(base))
		if len(got) != len(test.want) || len(s.List) != len(test.want) {
			t.Errorf("%s: %d states, %v, want %v", test.name, len(s.List), got, test.want)
		}
		for _, want := range test.want {
			if !got[want] {
				t.Errorf("%s: %q is missing", test.name, want)
			}
		}
	}
}

// TestEnumerateReturned holds that the same disk is judged once more when the operation has returned.
func TestEnumerateReturned(t *testing.T) {
	returned, flush := Event{Kind: Mark, Name: Returned}, Event{Kind: Flush}
	for _, test := range []struct {
		name string
		log  Log
		done string // of each state
	}{
		{"flushed before it returned", Log{sectors(0, 'a'), flush, returned}, "false false true"},
		{"not flushed at all", Log{sectors(0, 'a'), returned}, "true true"},
		{"flushed too late", Log{sectors(0, 'a'), returned, flush}, "true true"},
	} {
		got := ""
		for i, st := range Enumerate(make([]byte, sector), test.log, 1).List {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprint(st.Done)
		}
		if test.name == "flushed too late" && len(got) > len("true true") {
			got = got[:len("true true")] // and the disk after the flush
		}
		if got != test.done {
			t.Errorf("%s: %s, want %s", test.name, got, test.done)
		}
	}
}

func TestSubsets(t *testing.T) {
	var log Log
	for i := range int64(12) {
		log = append(log, sectors(i, byte('a'+i)))
	}
	base := make([]byte, 12*sector)
	if n := len(Enumerate(base, log[:10], 1).List); n != 1024 {
		t.Errorf("%d states of 10 writes, want all 1024", n)
	}
	a, b, c := Enumerate(base, log, 1), Enumerate(base, log, 1), Enumerate(base, log, 2)
	if n := len(a.List); n < 200 || n > 240 {
		t.Errorf("%d states of 12 writes, want a sample of 200 and what is always there", n)
	}
	if fmt.Sprint(a.List) != fmt.Sprint(b.List) || fmt.Sprint(a.List) == fmt.Sprint(c.List) {
		t.Error("the sample does not follow the seed")
	}
}

func TestSome(t *testing.T) {
	var log Log
	for i := range int64(8) {
		log = append(log, sectors(i, 'a'))
	}
	log = append(log, Event{Kind: Flush}, sectors(8, 'b'), Event{Kind: Flush})
	s := Enumerate(make([]byte, 9*sector), log, 1)
	epochs := map[int]int{}
	for _, st := range s.Some(4, 1) {
		epochs[st.Epoch]++
	}
	if epochs[0] == 4 || epochs[0]+epochs[1] != 4 {
		t.Errorf("4 states of the epochs %v, want some of the small one", epochs)
	}
	if n := len(s.Some(0, 1)); n != len(s.List) {
		t.Errorf("%d states without a limit, want %d", n, len(s.List))
	}
}
