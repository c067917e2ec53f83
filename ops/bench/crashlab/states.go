package crashlab

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
)

const sector = 512

// State is a disk that a power cut could have left: everything up to a flush is there, of what was
// written after it some is and some is not.
type State struct {
	Epoch int   // flushes before it
	Kept  []int // the writes after that flush that are there, by their number within the epoch
	Torn  int   // number of the write of which only a part is there; -1 for none
	From  int   // bytes: that part
	To    int
	Of    int    // how many writes the epoch has
	Mark  string // the last mark before the first write of the epoch
	Done  bool   // the power may have gone after the operation had returned: the flush after the epoch came later
}

func (s State) String() string {
	var lost []int
	for i := range s.Of {
		if !slices.Contains(s.Kept, i) {
			lost = append(lost, i)
		}
	}
	text := fmt.Sprintf("epoch %d (after %q), %d of %d writes, without %v", s.Epoch, s.Mark, len(s.Kept), s.Of, lost)
	if s.Torn >= 0 {
		text += fmt.Sprintf(", of write %d only bytes %d to %d", s.Torn, s.From, s.To)
	}
	return text
}

// epoch is what was written between two flushes.
type epoch struct {
	writes []Event
	mark   string // the last one before its first write
	done   bool   // the operation returned before the flush that ends it
}

// epochs cuts a log at its flushes. The last one is what no flush came after.
func epochs(log Log) []epoch {
	list := []epoch{{}}
	mark := ""
	for _, e := range log {
		last := &list[len(list)-1]
		switch e.Kind {
		case Mark:
			mark = e.Name
			if len(last.writes) == 0 {
				last.mark = mark
			}
			last.done = last.done || mark == Returned
		case Write:
			last.writes = append(last.writes, e)
		case Flush:
			if len(last.writes) > 0 { // two flushes in a row are one
				list = append(list, epoch{mark: mark, done: last.done})
			}
		}
	}
	return list
}

// States are the different disks that a power cut during a recording could have left.
type States struct {
	List []State

	base   []byte
	epochs []epoch
}

// exhaustive is up to how many writes of an epoch every subset is a state; sampled is how many subsets
// are drawn beyond.
const (
	exhaustive = 10
	sampled    = 200
)

// Enumerate lists every state of a recording that began with the disk base, each once. Of epochs with
// more than ten writes the subsets are a sample, which seed decides.
func Enumerate(base []byte, log Log, seed uint64) *States {
	s := &States{base: base, epochs: epochs(log)}
	rng := rand.New(rand.NewPCG(seed, 0))
	seen := map[key]bool{}
	hash := newHasher(slices.Clone(base))
	for i, e := range s.epochs {
		for _, kept := range subsets(len(e.writes), rng) {
			s.add(hash, seen, e.state(i, kept, -1, 0, 0))
		}
		for w := range e.writes {
			all := upTo(len(e.writes))
			for _, part := range parts(len(e.writes[w].Data)) {
				for _, kept := range [][]int{all[:w], nil, slices.Delete(slices.Clone(all), w, w+1)} {
					s.add(hash, seen, e.state(i, kept, w, part[0], part[1]))
				}
			}
		}
		for _, w := range e.writes {
			hash.write(w.Offset, w.Data)
		}
	}
	return s
}

func (s *States) add(hash *hasher, seen map[key]bool, st State) {
	k := hash.with(s.epochs[st.Epoch].pieces(st))
	if st.Done { // more is asked of the same disk then
		k[0] ^= 0xff
	}
	if !seen[k] {
		seen[k] = true
		s.List = append(s.List, st)
	}
}

func (e epoch) state(number int, kept []int, torn, from, to int) State {
	return State{Epoch: number, Kept: kept, Torn: torn, From: from, To: to, Of: len(e.writes), Mark: e.mark, Done: e.done}
}

// pieces are the writes of a state behind its last flush, in their order.
func (e epoch) pieces(st State) []Event {
	var list []Event
	for i, w := range e.writes {
		switch {
		case i == st.Torn:
			list = append(list, Event{Offset: w.Offset + int64(st.From), Data: w.Data[st.From:st.To]})
		case slices.Contains(st.Kept, i):
			list = append(list, w)
		}
	}
	return list
}

// Disk writes the state to image, which has the size of the disk.
func (s *States) Disk(st State, image []byte) {
	copy(image, s.base)
	for _, e := range s.epochs[:st.Epoch] {
		for _, w := range e.writes {
			copy(image[w.Offset:], w.Data)
		}
	}
	for _, w := range s.epochs[st.Epoch].pieces(st) {
		copy(image[w.Offset:], w.Data)
	}
}

// Some draws at most n states, or all for 0. Every epoch has its turn: what matters often happens in a small one.
func (s *States) Some(n int, seed uint64) []State {
	if n <= 0 || n > len(s.List) {
		n = len(s.List)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	rounds := map[int]int{}
	type drawn struct {
		State
		round int
	}
	list := make([]drawn, 0, len(s.List))
	for _, i := range rng.Perm(len(s.List)) {
		st := s.List[i]
		list = append(list, drawn{st, rounds[st.Epoch]})
		rounds[st.Epoch]++
	}
	slices.SortStableFunc(list, func(a, b drawn) int { return cmp.Compare(a.round, b.round) })
	some := make([]State, n)
	for i := range some {
		some[i] = list[i].State
	}
	return some
}

// subsets of n writes: every prefix, all but one, only one, then all there are or a sample.
func subsets(n int, rng *rand.Rand) [][]int {
	var list [][]int
	for i := range n + 1 {
		list = append(list, upTo(i))
	}
	for i := range n {
		list = append(list, slices.Delete(upTo(n), i, i+1), []int{i})
	}
	draws := sampled
	if n <= exhaustive {
		draws = 1 << n
	}
	for i := range draws {
		var kept []int
		for w := range n {
			if n <= exhaustive && i>>w&1 == 1 || n > exhaustive && rng.IntN(2) == 1 {
				kept = append(kept, w)
			}
		}
		list = append(list, kept)
	}
	return list
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// parts are the pieces of a write of n bytes that a disk with sectors of 512 or of 4096 bytes may be
// left with when the power goes in the middle of it: its beginning or its end, up to the border of a
// sector. Short writes are those of directories and inodes: they are cut at every border, long ones at
// the first and the last.
func parts(n int) (list [][2]int) {
	for _, size := range []int{512, 4096} {
		for at := size; at < n; at += size {
			if n <= 4096 || at == size || at+size >= n {
				list = append(list, [2]int{0, at}, [2]int{at, n})
			}
		}
	}
	return list
}

// key stands for the contents of a disk.
type key [16]byte

// hasher keeps the key of a disk that changes: the sum, without carry, of the hashes of its sectors.
// So the key of a disk with a few other sectors costs only those.
type hasher struct {
	image []byte
	sum   key
}

// newHasher takes image over. The sum begins at zero, whatever is in it: only differences count.
func newHasher(image []byte) *hasher { return &hasher{image: image} }

func sectorKey(n int64, data []byte) (k key) {
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, n)
	h.Write(data)
	copy(k[:], h.Sum(nil))
	return k
}

func (k *key) add(other key) {
	for i := range k {
		k[i] ^= other[i]
	}
}

// write changes the disk.
func (h *hasher) write(offset int64, data []byte) {
	h.sum = h.with([]Event{{Offset: offset, Data: data}})
	copy(h.image[offset:], data)
}

// with is the key that the disk would have with these writes. They are of whole sectors.
func (h *hasher) with(writes []Event) key {
	sectors := map[int64][]byte{}
	for _, w := range writes {
		for i := 0; i < len(w.Data); i += sector {
			sectors[(w.Offset+int64(i))/sector] = w.Data[i : i+sector]
		}
	}
	k := h.sum
	for n, data := range sectors {
		if old := h.image[n*sector : (n+1)*sector]; string(old) != string(data) {
			k.add(sectorKey(n, old))
			k.add(sectorKey(n, data))
		}
	}
	return k
}
